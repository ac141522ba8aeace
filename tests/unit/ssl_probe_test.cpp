// SSL_GET, and what HTTP_GET and SSL_GET may be told to send.
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "io/probe/probe.h"
#include "loopback_server.h"
#include "tls_server.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;
using test::Behaviour;
using test::LoopbackServer;
using test::TlsServer;

const std::string kHello = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const std::string kHelloMd5 = "5d41402abc4b2a76b9719d911017c592";

struct SslProbeTest {
  std::unique_ptr<EventLoop> loop = std::move(EventLoop::create()).value();
  std::unique_ptr<ProbeContext> context = std::move(ProbeContext::create(*loop)).value();

  static CheckConfig check(const Endpoint& target, milliseconds timeout = milliseconds(10'000)) {
    CheckConfig result;
    result.kind = CheckKind::ssl_get;
    result.target = target;
    HttpUrl url;
    url.path = "/check";
    url.md5_digest = kHelloMd5;
    result.urls = {url};
    result.timing.connect_timeout = timeout;
    return result;
  }

  ProbeResult run(const CheckConfig& config) {
    std::optional<ProbeResult> result;
    const auto probe =
        start_probe(*context, config, [&](const ProbeResult& found) { result = found; });
    test::run_until(*loop, [&] { return result.has_value(); });
    return *result;
  }
};

TEST_CASE_FIXTURE(SslProbeTest, "SSL_GET passes over TLS, whatever the certificate, without SNI") {
  TlsServer server(*loop, kHello);
  const ProbeResult result = run(check(server.endpoint()));
  CHECK(result.text == "HTTP 200, digest matches");
  CHECK(result.ok);
  CHECK(server.last_sni() == "(none)");
  CHECK(server.last_request().find("GET /check HTTP/1.0\r\n") == 0);
  CHECK(server.last_request().find("\r\nHost: " + server.endpoint().to_string() + "\r\n") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(SslProbeTest, "the TLS hello names what it is told to, the request's Host too") {
  TlsServer server(*loop, kHello);
  CheckConfig config = check(server.endpoint());
  config.urls[0].sni = "www.example.org";
  config.urls[0].virtual_host = "other.example.org";
  CHECK(run(config).ok);
  CHECK(server.last_sni() == "www.example.org");
  CHECK(server.last_request().find("\r\nHost: other.example.org\r\n") != std::string::npos);
}

TEST_CASE_FIXTURE(SslProbeTest, "every attempt shakes hands anew") {
  TlsServer server(*loop, kHello);
  CHECK(run(check(server.endpoint())).ok);
  CHECK(run(check(server.endpoint())).ok);
  CHECK(server.handshakes() == 2);
}

TEST_CASE_FIXTURE(SslProbeTest, "another body fails over TLS as well") {
  TlsServer server(*loop, "HTTP/1.0 200 OK\r\n\r\nother");
  const ProbeResult result = run(check(server.endpoint()));
  CHECK_FALSE(result.ok);
  CHECK(result.text.find("digest ") == 0);
}

TEST_CASE_FIXTURE(SslProbeTest, "a server that stalls in the handshake fails at the deadline") {
  LoopbackServer server(*loop, {.end = Behaviour::End::stay_open});
  const ProbeResult result = run(check(server.endpoint(), milliseconds(200)));
  CHECK_FALSE(result.ok);
  CHECK(result.text == "TLS handshake: no answer within 0.2 s");
}

TEST_CASE_FIXTURE(SslProbeTest, "a stalled handshake does not hold up another's probe") {
  LoopbackServer stalled(*loop, {.end = Behaviour::End::stay_open});
  TlsServer quick(*loop, kHello);
  std::vector<std::string> finished;
  const auto record = [&](const ProbeResult& found) { finished.push_back(found.text); };
  const CheckConfig slow_check = check(stalled.endpoint(), milliseconds(2000));
  const CheckConfig quick_check = check(quick.endpoint());
  const auto first = start_probe(*context, slow_check, record);
  const auto second = start_probe(*context, quick_check, record);
  test::run_until(*loop, [&] { return finished.size() == 2; });
  CHECK(finished.front() == "HTTP 200, digest matches");
}

TEST_CASE_FIXTURE(SslProbeTest,
                  "a server that resets the connection fails with the system's reason") {
  LoopbackServer server(*loop, {.reset_on_accept = true});
  const ProbeResult result = run(check(server.endpoint()));
  CHECK_FALSE(result.ok);
  CHECK(result.text.find("Connection reset by peer") != std::string::npos);
}

TEST_CASE_FIXTURE(SslProbeTest, "an HTTP_GET of a TLS port fails") {
  TlsServer server(*loop, kHello);
  CheckConfig config = check(server.endpoint());
  config.kind = CheckKind::http_get;
  CHECK_FALSE(run(config).ok);
}

TEST_CASE_FIXTURE(SslProbeTest, "http_protocol decides the version and Connection: close") {
  struct Case {
    HttpVersion version;
    std::string request_line;
    bool close;
  };
  for (const Case& one : {Case{HttpVersion::v1_0, "GET /check HTTP/1.0\r\n", false},
                          Case{HttpVersion::v1_0_close, "GET /check HTTP/1.0\r\n", true},
                          Case{HttpVersion::v1_1, "GET /check HTTP/1.1\r\n", true}}) {
    LoopbackServer server(*loop, {.answer = kHello});
    CheckConfig config = check(server.endpoint());
    config.kind = CheckKind::http_get;
    config.http_version = one.version;
    CHECK(run(config).ok);
    CHECK(server.last_request().find(one.request_line) == 0);
    const bool closes =
        server.last_request().find("\r\nConnection: close\r\n") != std::string::npos;
    CHECK(closes == one.close);
  }
}

}  // namespace
}  // namespace xlb
