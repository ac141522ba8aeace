#include "io/status_server.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "core/metrics.h"
#include "core/status_page.h"
#include "io/http_front.h"
#include "loopback_client.h"

using namespace xlb;
using namespace xlb::test;

namespace {

const Endpoint kAnyLoopbackPort{IpAddress::v4(127, 0, 0, 1), 0};

struct Server {
  StatusSlot slot;
  std::unique_ptr<StatusServer> server;

  Server() {
    auto started = StatusServer::start(kAnyLoopbackPort, slot);
    REQUIRE(started.ok());
    server = std::move(*started);
  }
  void publish(bool ready, std::string reason = {}) {
    Status status;
    status.version = "0.1.0";
    status.ready = ready;
    status.not_ready_reason = std::move(reason);
    slot.publish(std::make_shared<const Status>(status));
  }
  std::string raw(std::string_view request) const {
    const UniqueFd socket = connect_to(server->port());
    (void)send_all(socket, request);
    return read_to_end(socket);
  }
  std::string get(const std::string& path) const {
    return raw("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:9780\r\n\r\n");
  }
  std::string with_host(const std::string& host) const {
    return raw("GET /v1/status HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  }
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("GET /v1/status answers the published document, never cached") {
  Server server;
  CHECK(code_of(server.get("/v1/status")) == 503);
  server.publish(true);
  const std::string response = server.get("/v1/status?pretty");
  CHECK(code_of(response) == 200);
  CHECK(body_of(response) == to_json(*server.slot.current()));
  CHECK(contains(response, "Content-Type: application/json"));
  CHECK(contains(response, "Cache-Control: no-store"));
  CHECK(contains(response, "X-Content-Type-Options: nosniff"));
  CHECK(contains(response, "Connection: close"));
  server.publish(false, "no interface eth9");
  CHECK(contains(body_of(server.get("/v1/status")), "no interface eth9"));
}

TEST_CASE("GET /metrics and / answer the published status in their own form") {
  Server server;
  CHECK(code_of(server.get("/metrics")) == 503);
  server.publish(true);
  const std::string metrics = server.get("/metrics");
  CHECK(code_of(metrics) == 200);
  CHECK(contains(metrics,
                 "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
  CHECK(body_of(metrics) == open_metrics(*server.slot.current()));
  const std::string page = server.get("/");
  CHECK(code_of(page) == 200);
  CHECK(contains(page, "Content-Type: text/html; charset=utf-8\r\n"));
  CHECK(contains(page, "Content-Security-Policy: default-src 'none';"));
  CHECK(body_of(page) == status_page(*server.slot.current()));
  server.publish(false, "no interface eth9");
  CHECK(contains(body_of(server.get("/")), "no interface eth9"));
  CHECK(contains(body_of(server.get("/metrics")), "\nxlb_ready 0\n"));
}

TEST_CASE("a status is not older than the request for it") {
  StatusSlot slot;
  int asked = 0;
  slot.on_wanted([&] {
    slot.accept();
    Status status;
    status.version = std::to_string(++asked);
    slot.publish(std::make_shared<const Status>(status));
  });
  CHECK(slot.fresh(std::chrono::seconds(10))->version == "1");
  CHECK(slot.fresh(std::chrono::seconds(10))->version == "2");
}

TEST_CASE(
    "when the loop does not answer, the last status is served, and nobody waits for it again") {
  StatusSlot slot;
  int asked = 0;
  slot.on_wanted([&] { ++asked; });
  slot.publish(std::make_shared<const Status>());
  const auto last = slot.current();
  CHECK(slot.fresh(std::chrono::milliseconds(1)) == last);
  CHECK(slot.fresh(std::chrono::hours(1)) == last);
  CHECK(asked == 1);
  slot.accept();
  slot.publish(std::make_shared<const Status>());
  CHECK(slot.fresh(std::chrono::milliseconds(1)) == slot.current());
  CHECK(asked == 2);
}

TEST_CASE("HEAD answers the same head without a body") {
  Server server;
  server.publish(true);
  const std::string response = server.raw("HEAD /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(code_of(response) == 200);
  CHECK(contains(response,
                 "Content-Length: " + std::to_string(to_json(*server.slot.current()).size())));
  CHECK(body_of(response).empty());
}

TEST_CASE("/readyz says why not") {
  Server server;
  CHECK(code_of(server.get("/readyz")) == 503);
  server.publish(false, "the data plane is not attached");
  const std::string refused = server.get("/readyz");
  CHECK(code_of(refused) == 503);
  CHECK(body_of(refused) == "{\"ready\":false,\"reason\":\"the data plane is not attached\"}\n");
  server.publish(true);
  CHECK(code_of(server.get("/readyz")) == 200);
}

TEST_CASE("/healthz tells whether the loop turns") {
  Server server;
  const TimePoint now = std::chrono::steady_clock::now();
  server.slot.beat(now - std::chrono::minutes(1));
  CHECK(code_of(server.get("/healthz")) == 503);
  server.slot.beat(now + std::chrono::minutes(1));  // ahead: a slow test machine must not matter
  const std::string response = server.get("/healthz");
  CHECK(code_of(response) == 200);
  CHECK(body_of(response) == "{\"healthy\":true}\n");
}

TEST_CASE("an unknown path is a 404 and another method a 405, both in JSON") {
  Server server;
  server.publish(true);
  for (const char* path :
       {"/index.html", "/v1/status/", "/metrics/", "/v1/../etc/passwd", "/metrics%00"}) {
    const std::string response = server.get(path);
    CHECK_MESSAGE(code_of(response) == 404, path);
    CHECK(contains(response, "{\"error\":\"no such path"));
  }
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PURGE"}) {
    const std::string response =
        server.raw(std::string(method) +
                   " /v1/status HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 3\r\n\r\nabc");
    CHECK_MESSAGE(code_of(response) == 405, method);
    CHECK(contains(response, "Allow: GET, HEAD"));
    CHECK(contains(response, "Cache-Control: no-store"));
  }
}

TEST_CASE("a foreign Host is refused, so no web page can read the status through a visitor") {
  Server server;
  server.publish(true);
  for (const char* host :
       {"localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:9780", "[::1]:9780", "127.8.8.8"}) {
    CHECK_MESSAGE(code_of(server.with_host(host)) == 200, host);
  }
  for (const char* host : {"evil.example", "evil.example:9780", "localhost.evil.example",
                           "10.0.0.1", "127.0.0.1.evil.example", "[::1", "[", "::1"}) {
    CHECK_MESSAGE(code_of(server.with_host(host)) == 421, host);
  }
  CHECK(code_of(server.raw("GET /v1/status HTTP/1.1\r\n\r\n")) == 400);
  CHECK(code_of(server.raw("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nHost: x\r\n\r\n")) ==
        400);
  CHECK(code_of(server.raw("GET /v1/status HTTP/1.0\r\n\r\n")) == 200);
}

TEST_CASE("a server reachable from outside answers by IP address, not by name") {
  StatusSlot slot;
  slot.publish(std::make_shared<const Status>());
  auto started = StatusServer::start({IpAddress::v4(0, 0, 0, 0), 0}, slot);
  REQUIRE(started.ok());
  const auto ask = [&](const std::string& host) {
    const UniqueFd socket = connect_to((*started)->port());
    (void)send_all(socket, "GET /v1/status HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    return code_of(read_to_end(socket));
  };
  CHECK(ask("192.0.2.1:9780") == 200);
  CHECK(ask("[2001:db8::1]") == 200);
  CHECK(ask("director.example") == 421);
}

TEST_CASE("garbage is answered with an error, not a crash") {
  Server server;
  server.publish(true);
  const std::string ranges = "Range: bytes=1-1" + [] {
    std::string more;
    while (more.size() < 7000)
      more += ",1-1";
    return more;
  }();
  CHECK(code_of(server.raw("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n" + ranges +
                           "\r\nExpect: 100-continue\r\nAccept-Encoding: br\r\n\r\n")) == 200);
  CHECK(code_of(server.raw("\r\n\r\n")) == 400);
  CHECK(code_of(server.raw("GET\r\n\r\n")) == 400);
  CHECK(code_of(server.raw("GET /v1/status HTTP/9.9\r\nHost: localhost\r\n\r\n")) == 400);
  CHECK(code_of(server.raw(std::string("\0\xff\x16\x03\x01\n\n", 7))) == 400);
  CHECK(code_of(server.raw("GET /" + std::string(7000, '%') +
                           " HTTP/1.1\r\nHost: localhost\r\n\r\n")) == 404);
  CHECK(code_of(server.raw("GET /healthz HTTP/1.1\nHost: localhost\n\n")) != 0);
}

TEST_CASE("slow clients and an endless header do not keep others from an answer") {
  Server server;
  server.publish(true);
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 64; ++i) {
    slow.push_back(connect_to(server.server->port()));
    (void)send_all(slow.back(), "GET /v1/st");
  }
  CHECK(code_of(server.get("/v1/status")) == 200);
  const UniqueFd bomb = connect_to(server.server->port());
  (void)send_all(bomb, "GET /v1/status HTTP/1.1\r\nX: ");
  const std::string piece(4096, 'x');
  bool accepted = true;
  for (int i = 0; i < 4096 && accepted; ++i)
    accepted = send_all(bomb, piece);  // 16 MiB
  CHECK(contains(read_to_end(bomb), accepted ? "431" : ""));
  CHECK(code_of(server.get("/v1/status")) == 200);
}

TEST_CASE("a head of more than 8 KiB is refused as too large") {
  Server server;
  CHECK(code_of(server.raw("GET / HTTP/1.1\r\nX: " + std::string(HttpFront::kMaxHeadBytes, 'x'))) ==
        431);
}

TEST_CASE("a client that does not read does not hold the others up") {
  Server server;
  Status large;
  large.warnings.assign(80'000, "a warning of some length, to fill every socket buffer");
  server.slot.publish(std::make_shared<const Status>(large));
  std::vector<UniqueFd> deaf;
  for (int i = 0; i < 4; ++i) {
    deaf.push_back(connect_to(server.server->port()));
    (void)send_all(deaf.back(), "GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  CHECK(body_of(server.get("/v1/status")) == to_json(large));
}

TEST_CASE("two servers cannot share an address and port") {
  Server first;
  StatusSlot slot;
  auto second = StatusServer::start({IpAddress::v4(127, 0, 0, 1), first.server->port()}, slot);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == EADDRINUSE);
  CHECK(second.error().text == "cannot start the status server: cannot listen on 127.0.0.1:" +
                                   std::to_string(first.server->port()) +
                                   ": Address already in use");
}

TEST_CASE("statuses may be published while they are read, and stop ends open connections") {
  Server server;
  server.publish(true);
  std::thread reader([&] {
    for (int i = 0; i < 50; ++i)
      (void)server.get("/v1/status");
  });
  for (int i = 0; i < 500; ++i) {
    server.publish(i % 2 == 0);
    server.slot.beat(std::chrono::steady_clock::now());
  }
  reader.join();
  const UniqueFd idle = connect_to(server.server->port());
  server.server->stop();
  server.server->stop();
  CHECK(read_to_end(idle).empty());
}
