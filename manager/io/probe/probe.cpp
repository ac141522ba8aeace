#include "io/probe/probe.h"

#include <utility>

#include "io/probe/http_client.h"
#include "io/probe/http_probe.h"
#include "io/probe/tcp_probe.h"

namespace xlb {

Result<std::unique_ptr<ProbeContext>> ProbeContext::create(EventLoop& loop) {
  Result<std::unique_ptr<HttpClient>> http = HttpClient::create(loop);
  if (!http) return http.error();
  return std::unique_ptr<ProbeContext>(new ProbeContext(loop, std::move(http).value()));
}

ProbeContext::ProbeContext(EventLoop& loop, std::unique_ptr<HttpClient> http)
    : loop_(loop), http_(std::move(http)) {}
ProbeContext::~ProbeContext() = default;

std::unique_ptr<Probe> start_probe(ProbeContext& context, const CheckConfig& check,
                                   ProbeCallback callback) {
  switch (check.kind) {
    case CheckKind::http_get:
    case CheckKind::ssl_get:
      return start_http_probe(context.http(), check, std::move(callback));
    case CheckKind::tcp:
      break;
  }
  return start_tcp_probe(context.loop(), check, std::move(callback));
}

}  // namespace xlb
