#include "io/probe/probe.h"

#include <utility>

#include "io/probe/body_pattern.h"
#include "io/probe/datagram_probe.h"
#include "io/probe/http_client.h"
#include "io/probe/http_probe.h"
#include "io/probe/misc_probe.h"
#include "io/probe/smtp_probe.h"
#include "io/probe/tcp_probe.h"
#include "io/script.h"

namespace xlb {

Result<std::unique_ptr<ProbeContext>> ProbeContext::create(EventLoop& loop) {
  Result<std::unique_ptr<HttpClient>> http = HttpClient::create(loop);
  if (!http) return http.error();
  return std::unique_ptr<ProbeContext>(new ProbeContext(loop, std::move(http).value()));
}

ProbeContext::ProbeContext(EventLoop& loop, std::unique_ptr<HttpClient> http)
    : loop_(loop), http_(std::move(http)), searches_(std::make_unique<BodySearches>()) {}
ProbeContext::~ProbeContext() = default;

ScriptRunner& ProbeContext::scripts() {
  if (scripts_ == nullptr) {
    own_scripts_ = std::make_unique<ScriptRunner>(loop_);
    scripts_ = own_scripts_.get();
  }
  return *scripts_;
}

// Patterns of running attempts are held by nobody: they are looked up when a body is there.
void ProbeContext::forget() {
  http_->forget_files();
  searches_->forget();
}

std::unique_ptr<Probe> start_probe(ProbeContext& context, const CheckConfig& check,
                                   ProbeCallback callback) {
  switch (check.kind) {
    case CheckKind::http_get:
    case CheckKind::ssl_get:
      return start_http_probe(context, check, std::move(callback));
    case CheckKind::smtp:
      return start_smtp_probe(context.loop(), check, std::move(callback));
    case CheckKind::dns:
    case CheckKind::udp:
    case CheckKind::ping:
      return start_datagram_probe(context.loop(), check, std::move(callback));
    case CheckKind::misc:
      return start_misc_probe(context.scripts(), check, std::move(callback));
    case CheckKind::tcp:
    case CheckKind::file:  // is watched, not tried
      break;
  }
  return start_tcp_probe(context.loop(), check, std::move(callback));
}

}  // namespace xlb
