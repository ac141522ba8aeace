#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "io/probe/md5.h"
#include "io/probe/probe.h"
#include "loopback_server.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;
using test::Behaviour;
using test::LoopbackServer;

constexpr const char* kEmptyMd5 = "d41d8cd98f00b204e9800998ecf8427e";

std::string md5_of(std::string_view text) {
  Result<Md5> md5 = Md5::create();
  REQUIRE(md5.ok());
  md5->update(text);
  return md5->finish();
}

std::string answer(std::string_view status, std::string_view body) {
  return fmt::format("HTTP/1.0 {}\r\nContent-Length: {}\r\n\r\n{}", status, body.size(), body);
}

HttpUrl url(std::string path, std::optional<std::string> digest = std::nullopt) {
  HttpUrl result;
  result.path = std::move(path);
  result.md5_digest = std::move(digest);
  return result;
}

struct HttpProbeTest {
  std::unique_ptr<EventLoop> loop = std::move(EventLoop::create()).value();
  std::unique_ptr<ProbeContext> context = std::move(ProbeContext::create(*loop)).value();

  static CheckConfig check(const Endpoint& target, std::vector<HttpUrl> urls,
                           milliseconds timeout = milliseconds(10'000)) {
    CheckConfig result;
    result.kind = CheckKind::http_get;
    result.target = target;
    result.urls = std::move(urls);
    result.timing.connect_timeout = timeout;
    return result;
  }

  ProbeResult run(const CheckConfig& config) {
    std::optional<ProbeResult> result;
    const auto probe =
        start_probe(*context, config, [&](const ProbeResult& found) { result = found; });
    CHECK_FALSE(result);  // never from within start_probe
    test::run_until(*loop, [&] { return result.has_value(); });
    return *result;
  }
  ProbeResult run(Behaviour behaviour, const HttpUrl& asked,
                  milliseconds timeout = milliseconds(10'000)) {
    LoopbackServer server(*loop, std::move(behaviour));
    return run(check(server.endpoint(), {asked}, timeout));
  }

  void passes(Behaviour behaviour, const HttpUrl& asked, std::string_view text) {
    const ProbeResult result = run(std::move(behaviour), asked);
    CHECK(result.ok);
    CHECK(result.text == text);
  }
  void fails(Behaviour behaviour, const HttpUrl& asked, std::string_view text,
             milliseconds timeout = milliseconds(10'000)) {
    const ProbeResult result = run(std::move(behaviour), asked, timeout);
    CHECK_FALSE(result.ok);
    CHECK(result.text == text);
  }
};

TEST_CASE_FIXTURE(HttpProbeTest, "the request is keepalived's") {
  LoopbackServer server(*loop, {.answer = answer("200 OK", "")});
  CHECK(run(check(server.endpoint(), {url("/a/../check.txt?x=%20")})).ok);
  const std::string& request = server.last_request();
  CHECK(request.find("GET /a/../check.txt?x=%20 HTTP/1.0\r\n") == 0);
  CHECK(request.find("\r\nHost: " + server.endpoint().to_string() + "\r\n") != std::string::npos);
  CHECK(request.find("\r\nUser-Agent: KeepAliveClient\r\n") != std::string::npos);
  CHECK(request.find("Accept") == std::string::npos);
  CHECK(request.find("Connection") == std::string::npos);
}

TEST_CASE_FIXTURE(HttpProbeTest, "a proxy in the environment is ignored") {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  passes({.answer = answer("200 OK", "hello")}, url("/"), "HTTP 200");
  unsetenv("http_proxy");
}

TEST_CASE_FIXTURE(HttpProbeTest, "the right body passes") {
  passes({.answer = answer("200 OK", "hello")}, url("/", md5_of("hello")),
         "HTTP 200, digest matches");
}

TEST_CASE_FIXTURE(HttpProbeTest, "another body fails and both digests are told") {
  fails({.answer = answer("200 OK", "other")}, url("/", md5_of("hello")),
        fmt::format("digest {}, expected {}", md5_of("other"), md5_of("hello")));
}

TEST_CASE_FIXTURE(HttpProbeTest, "a body without a length ends with the connection") {
  passes({.answer = "HTTP/1.0 200 OK\r\n\r\nhello"}, url("/", md5_of("hello")),
         "HTTP 200, digest matches");
}

TEST_CASE_FIXTURE(HttpProbeTest, "a body is cut at its Content-Length") {
  passes({.answer = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"},
         url("/", md5_of("hello")), "HTTP 200, digest matches");
}

TEST_CASE_FIXTURE(HttpProbeTest, "a server that never closes is done at its Content-Length") {
  passes({.answer = answer("200 OK", "hello"), .end = Behaviour::End::stay_open},
         url("/", md5_of("hello")), "HTTP 200, digest matches");
}

TEST_CASE_FIXTURE(HttpProbeTest, "an empty body has the digest of nothing") {
  passes({.answer = answer("200 OK", "")}, url("/", kEmptyMd5), "HTTP 200, digest matches");
  passes({.answer = "HTTP/1.0 200 OK\r\n\r\n"}, url("/", kEmptyMd5), "HTTP 200, digest matches");
}

TEST_CASE_FIXTURE(HttpProbeTest, "an empty error page does not pass for its empty body") {
  fails({.answer = answer("500 Oops", "")}, url("/", kEmptyMd5), "HTTP 500, expected 200-299");
}

TEST_CASE_FIXTURE(HttpProbeTest,
                  "without a digest the status decides and the body is not awaited") {
  const std::string endless = "HTTP/1.0 204 Fine\r\nContent-Length: 999999999\r\n\r\n";
  passes({.answer = endless, .end = Behaviour::End::stay_open}, url("/"), "HTTP 204");
  fails({.answer = answer("302 Found", "")}, url("/"), "HTTP 302, expected 200-299");
}

HttpUrl searching(std::string expression, bool must_match = true) {
  HttpUrl result = url("/");
  result.pattern.emplace();
  result.pattern->expression = std::move(expression);
  result.pattern->must_match = must_match;
  return result;
}

TEST_CASE_FIXTURE(HttpProbeTest, "a body is searched after its status and its digest") {
  passes({.answer = answer("200 OK", "It works")}, searching("works|runs"),
         "HTTP 200, regex matches");
  fails({.answer = answer("200 OK", "It failed")}, searching("works|runs"), "regex does not match");
  passes({.answer = answer("200 OK", "It works")}, searching("error", false),
         "HTTP 200, regex does not match");
  fails({.answer = answer("200 OK", "an error")}, searching("error", false),
        "regex matches, which it must not");
  fails({.answer = answer("500 Oops", "It works")}, searching("works"),
        "HTTP 500, expected 200-299");
  HttpUrl both = searching("hello");
  both.md5_digest = md5_of("hello");
  passes({.answer = answer("200 OK", "hello")}, both, "HTTP 200, digest matches, regex matches");
  fails({.answer = answer("200 OK", "hello!")}, both,
        fmt::format("digest {}, expected {}", md5_of("hello!"), md5_of("hello")));
}

TEST_CASE_FIXTURE(HttpProbeTest, "an endless body is not searched for ever") {
  fails({.answer = "HTTP/1.0 200 OK\r\n\r\n", .repeat = std::string(65536, 'x')}, searching("y"),
        "body larger than 256 KiB: too large to be searched");
}

TEST_CASE_FIXTURE(HttpProbeTest, "a body made to keep a regex busy fails in time") {
  const ProbeResult result =
      run({.answer = answer("200 OK", std::string(100'000, 'a') + "b")}, searching("^(a+)+$"));
  CHECK_FALSE(result.ok);
  CHECK(result.text.find("regex") == 0);
}

TEST_CASE_FIXTURE(HttpProbeTest, "a request leaves from the address and port it is bound to") {
  LoopbackServer server(*loop, {.answer = answer("200 OK", "")});
  CheckConfig config = check(server.endpoint(), {url("/")});
  config.source.address = IpAddress::v4(127, 0, 0, 9);
  CHECK(run(config).ok);
  config.source.address = IpAddress::v4(192, 0, 2, 1);
  CHECK(run(config).text == "cannot bind to 192.0.2.1:0: Cannot assign requested address");
  config.source = {};
  config.source.interface = "nonexistent0";
  CHECK(run(config).text == "cannot bind to interface nonexistent0: No such device");
}

TEST_CASE_FIXTURE(HttpProbeTest, "the url's own status codes replace 200-299") {
  HttpUrl asked = url("/");
  asked.status_codes = {{200, 200}, {301, 302}};
  passes({.answer = answer("302 Found", "")}, asked, "HTTP 302");
  fails({.answer = answer("204 Fine", "")}, asked, "HTTP 204, expected 200, 301-302");
}

TEST_CASE_FIXTURE(HttpProbeTest, "an interim answer is not the answer") {
  passes({.answer = "HTTP/1.1 100 Continue\r\n\r\n" + answer("200 OK", "hello")},
         url("/", md5_of("hello")), "HTTP 200, digest matches");
}

TEST_CASE_FIXTURE(HttpProbeTest, "a chunked body is digested as received") {
  const std::string body = "5\r\nhello\r\n0\r\n\r\n";
  passes({.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body},
         url("/", md5_of(body)), "HTTP 200, digest matches");
}

TEST_CASE_FIXTURE(HttpProbeTest, "a server that hangs fails at the deadline") {
  fails({.end = Behaviour::End::stay_open}, url("/", kEmptyMd5), "no complete answer within 0.2 s",
        milliseconds(200));
}

TEST_CASE_FIXTURE(HttpProbeTest, "a server that drips bytes fails at the same deadline") {
  fails({.answer = "HTTP/1.0 200 OK\r\n\r\n", .repeat = "x", .pause = milliseconds(5)},
        url("/", kEmptyMd5), "no complete answer within 0.3 s", milliseconds(300));
}

TEST_CASE_FIXTURE(HttpProbeTest, "an endless body fails at its bound") {
  fails({.answer = "HTTP/1.0 200 OK\r\n\r\n", .repeat = std::string(65536, 'x')},
        url("/", kEmptyMd5), "body larger than 1 MiB");
}

TEST_CASE_FIXTURE(HttpProbeTest, "endless headers fail at their bound") {
  fails({.answer = "HTTP/1.0 200 OK\r\n", .repeat = "X-Filler: 0123456789\r\n"},
        url("/", kEmptyMd5), "headers larger than 16 KiB");
  fails({.answer = "HTTP/1.0 200 OK\r\nX: ", .repeat = std::string(65536, 'x')},
        url("/", kEmptyMd5), "headers larger than 16 KiB");
  fails({.repeat = "HTTP/1.1 100 Continue\r\n\r\n"}, url("/", kEmptyMd5),
        "headers larger than 16 KiB");
}

TEST_CASE_FIXTURE(HttpProbeTest, "a connection that ends early fails, whatever the digest") {
  fails({.answer = ""}, url("/", kEmptyMd5), "connection closed without an answer");
  fails({.answer = "HTTP/1.0 200 OK\r\nServer: x\r\n"}, url("/", kEmptyMd5),
        "connection closed inside the headers");
  fails({.answer = "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello"}, url("/", md5_of("hello")),
        "connection closed after 5 of 9 bytes");
  fails({.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"},
        url("/", md5_of("5\r\nhe")), "connection closed inside a chunked body");
}

TEST_CASE_FIXTURE(HttpProbeTest, "a reset connection fails with the system's reason") {
  const ProbeResult on_accept = run({.reset_on_accept = true}, url("/", kEmptyMd5));
  CHECK_FALSE(on_accept.ok);
  CHECK(on_accept.text.find("Connection reset by peer") != std::string::npos);
  const ProbeResult after_answer =
      run({.answer = "HTTP/1.0 200 OK\r\n\r\n", .end = Behaviour::End::reset}, url("/", kEmptyMd5));
  CHECK_FALSE(after_answer.ok);
}

TEST_CASE_FIXTURE(HttpProbeTest, "an answer that is not HTTP fails") {
  fails({.answer = "220 mail.example.org ESMTP\r\n"}, url("/", kEmptyMd5),
        "the answer is not HTTP");
  fails({.answer = "<html></html>"}, url("/"), "the answer is not HTTP");
}

TEST_CASE_FIXTURE(HttpProbeTest, "a refused connection fails with the system's reason") {
  const ProbeResult result = run(check(LoopbackServer::refusing(*loop), {url("/")}));
  CHECK_FALSE(result.ok);
  CHECK(result.text == "connect: Connection refused");
}

TEST_CASE_FIXTURE(HttpProbeTest, "a path that would break the request line is not sent") {
  LoopbackServer server(*loop, {.answer = answer("200 OK", "")});
  const ProbeResult result = run(check(server.endpoint(), {url("/ HTTP/1.0\r\nX: y")}));
  CHECK_FALSE(result.ok);
  CHECK(server.accepted() == 0);
}

TEST_CASE_FIXTURE(HttpProbeTest, "several urls pass when all pass, each on its own connection") {
  LoopbackServer server(*loop, {.answer = answer("200 OK", "hello")});
  const HttpUrl good = url("/good", md5_of("hello"));
  CHECK(run(check(server.endpoint(), {good, good})).ok);
  CHECK(server.accepted() == 2);
  const ProbeResult result = run(check(server.endpoint(), {good, url("/bad", kEmptyMd5), good}));
  CHECK_FALSE(result.ok);
  CHECK(result.text.find("/bad: digest ") == 0);
  CHECK(server.accepted() == 4);
}

TEST_CASE_FIXTURE(HttpProbeTest, "a hanging server does not hold up another's probe") {
  LoopbackServer hanging(*loop, {.end = Behaviour::End::stay_open});
  LoopbackServer quick(*loop, {.answer = answer("200 OK", "")});
  std::vector<std::string> finished;
  const auto record = [&](const ProbeResult& found) { finished.push_back(found.text); };
  const CheckConfig slow_check = check(hanging.endpoint(), {url("/")}, milliseconds(500));
  const CheckConfig quick_check = check(quick.endpoint(), {url("/")});
  const auto first = start_probe(*context, slow_check, record);
  const auto second = start_probe(*context, quick_check, record);
  test::run_until(*loop, [&] { return finished.size() == 2; });
  CHECK(finished == std::vector<std::string>{"HTTP 200", "no complete answer within 0.5 s"});
}

TEST_CASE_FIXTURE(HttpProbeTest,
                  "a destroyed probe never calls back, and leaves the others alone") {
  LoopbackServer server(*loop, {.answer = answer("200 OK", "")});
  bool called = false;
  const CheckConfig config = check(server.endpoint(), {url("/")});
  auto cancelled = start_probe(*context, config, [&](const auto&) { called = true; });
  cancelled.reset();
  CHECK(run(config).ok);
  CHECK_FALSE(called);
}

TEST_CASE_FIXTURE(HttpProbeTest,
                  "a callback may destroy its own and other probes and start new ones") {
  LoopbackServer server(*loop, {.answer = answer("200 OK", "")});
  const CheckConfig config = check(server.endpoint(), {url("/")});
  std::unique_ptr<Probe> one;
  std::unique_ptr<Probe> two;
  int called = 0;
  const auto again = [&](const ProbeResult&) {
    ++called;
    two.reset();
    one = start_probe(*context, config, [&](const ProbeResult&) {
      ++called;
      one.reset();
    });
  };
  one = start_probe(*context, config, again);
  two = start_probe(*context, config, again);
  test::run_until(*loop, [&] { return called == 2; });
}

}  // namespace
}  // namespace xlb
