#include <doctest/doctest.h>

#include <optional>

#include "io/probe/probe.h"
#include "loopback_server.h"

namespace xlb {
namespace {

using test::LoopbackServer;

struct TcpProbeTest {
  std::unique_ptr<EventLoop> loop = std::move(EventLoop::create()).value();
  std::unique_ptr<ProbeContext> context = std::move(ProbeContext::create(*loop)).value();

  static CheckConfig check(const Endpoint& target) {
    CheckConfig result;
    result.kind = CheckKind::tcp;
    result.target = target;
    result.timing.connect_timeout = std::chrono::seconds(5);
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
};

TEST_CASE_FIXTURE(TcpProbeTest, "a listening port passes") {
  LoopbackServer server(*loop, {});
  const ProbeResult result = run(check(server.endpoint()));
  CHECK(result.ok);
  CHECK(result.text.find("connected in ") == 0);
  CHECK(result.text.find(" ms") != std::string::npos);
}

TEST_CASE_FIXTURE(TcpProbeTest, "a port nobody listens on fails with the system's reason") {
  const ProbeResult result = run(check(LoopbackServer::refusing(*loop)));
  CHECK_FALSE(result.ok);
  CHECK(result.text == "connect: Connection refused");
}

TEST_CASE_FIXTURE(TcpProbeTest,
                  "an address that cannot be reached fails with the system's reason") {
  // A broadcast address takes no connections.
  const ProbeResult result = run(check({IpAddress::v4(255, 255, 255, 255), 80}));
  CHECK_FALSE(result.ok);
  CHECK(result.text == "connect: Network is unreachable");
}

TEST_CASE_FIXTURE(TcpProbeTest, "a server that does not answer fails at the deadline") {
  // A full accept queue: Linux leaves further SYNs unanswered.
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(listener.get(), generic, length) == 0);
  REQUIRE(::getsockname(listener.get(), generic, &length) == 0);
  REQUIRE(::listen(listener.get(), 0) == 0);
  const UniqueFd queued(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(queued.get(), generic, length) == 0);

  CheckConfig config = check({IpAddress::v4(127, 0, 0, 1), ntohs(address.sin_port)});
  config.timing.connect_timeout = std::chrono::milliseconds(200);
  const ProbeResult result = run(config);
  CHECK_FALSE(result.ok);
  CHECK(result.text == "connect: no answer within 0.2 s");
}

TEST_CASE_FIXTURE(TcpProbeTest, "a destroyed probe never calls back") {
  LoopbackServer server(*loop, {});
  bool called = false;
  const CheckConfig config = check(server.endpoint());
  auto cancelled = start_probe(*context, config, [&](const auto&) { called = true; });
  cancelled.reset();
  CHECK(run(config).ok);
  CHECK_FALSE(called);
}

TEST_CASE_FIXTURE(TcpProbeTest, "a callback may destroy its own probe") {
  LoopbackServer server(*loop, {});
  bool called = false;
  const CheckConfig config = check(server.endpoint());
  std::unique_ptr<Probe> probe = start_probe(*context, config, [&](const auto&) {
    called = true;
    probe.reset();
  });
  test::run_until(*loop, [&] { return called; });
}

}  // namespace
}  // namespace xlb
