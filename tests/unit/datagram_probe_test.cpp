// DNS_CHECK and UDP_CHECK against real and hostile servers on loopback.
#include <doctest/doctest.h>

#include <optional>

#include "datagram_server.h"
#include "io/probe/probe.h"
#include "loopback_server.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;
using test::DatagramServer;
using Replies = std::vector<std::string>;

struct DatagramProbeTest {
  std::unique_ptr<EventLoop> loop = std::move(EventLoop::create()).value();
  std::unique_ptr<ProbeContext> context = std::move(ProbeContext::create(*loop)).value();

  static CheckConfig check(CheckKind kind, const Endpoint& target, int timeout_ms = 10'000) {
    CheckConfig result;
    result.kind = kind;
    result.target = target;
    if (kind == CheckKind::dns) result.own = DnsCheck{1, "www.example.org"};
    if (kind == CheckKind::udp) result.own = UdpCheck{};
    result.timing.connect_timeout = milliseconds(timeout_ms);
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

  ProbeResult ask_dns(DatagramServer::Answers answers, int timeout_ms = 10'000) {
    DatagramServer server(*loop, std::move(answers));
    return run(check(CheckKind::dns, server.endpoint(), timeout_ms));
  }

  ProbeResult ask_udp(UdpCheck udp, DatagramServer::Answers answers, int timeout_ms = 10'000) {
    DatagramServer server(*loop, std::move(answers));
    CheckConfig config = check(CheckKind::udp, server.endpoint(), timeout_ms);
    config.own = std::move(udp);
    return run(config);
  }
};

// The request as an answer with this response code.
std::string dns_answer(std::string request, char code = 0) {
  request[2] = static_cast<char>(request[2] | '\x80');
  request[3] = code;
  return request;
}

Replies nothing(const std::string&) {
  return {};
}

TEST_CASE_FIXTURE(DatagramProbeTest, "a name server that answers passes") {
  const ProbeResult result =
      ask_dns([](const std::string& asked) { return Replies{dns_answer(asked)}; });
  CHECK(result.ok);
  CHECK(result.text.find("answered in ") == 0);
}

TEST_CASE_FIXTURE(DatagramProbeTest, "a name server that refuses fails with its word for it") {
  const ProbeResult result =
      ask_dns([](const std::string& asked) { return Replies{dns_answer(asked, 5)}; });
  CHECK_FALSE(result.ok);
  CHECK(result.text == "answered REFUSED");
}

TEST_CASE_FIXTURE(DatagramProbeTest,
                  "garbage, wrong numbers and echoes before the answer are passed over") {
  const ProbeResult result = ask_dns([](const std::string& asked) {
    std::string other = dns_answer(asked);
    other[0] = static_cast<char>(other[0] ^ 1);
    return Replies{"", "x", asked, other, dns_answer(asked)};
  });
  CHECK(result.ok);
}

TEST_CASE_FIXTURE(DatagramProbeTest, "garbage alone is no answer") {
  const ProbeResult result = ask_dns(
      [](const std::string& asked) {
        return Replies{"", "x", asked};
      },
      200);
  CHECK_FALSE(result.ok);
  CHECK(result.text == "no reply within 0.2 s, but 3 others");
}

TEST_CASE_FIXTURE(DatagramProbeTest, "an answer that is cut off fails") {
  const ProbeResult result =
      ask_dns([](const std::string& asked) { return Replies{dns_answer(asked).substr(0, 20)}; });
  CHECK_FALSE(result.ok);
  CHECK(result.text == "the reply is malformed");
}

TEST_CASE_FIXTURE(DatagramProbeTest, "each DNS query has a number of its own") {
  std::vector<std::string> numbers;
  DatagramServer server(*loop, [&](const std::string& asked) {
    numbers.push_back(asked.substr(0, 2));
    return Replies{dns_answer(asked)};
  });
  for (int i = 0; i < 4; ++i)
    CHECK(run(check(CheckKind::dns, server.endpoint())).ok);
  std::sort(numbers.begin(), numbers.end());
  CHECK(numbers.front() != numbers.back());
}

TEST_CASE_FIXTURE(DatagramProbeTest, "a closed port fails at once, by its ICMP error") {
  const ProbeResult dns = run(check(CheckKind::dns, DatagramServer::closed(*loop)));
  CHECK_FALSE(dns.ok);
  CHECK(dns.text == "receive: Connection refused");
  const ProbeResult udp = run(check(CheckKind::udp, DatagramServer::closed(*loop)));
  CHECK_FALSE(udp.ok);
  CHECK(udp.text == "receive: Connection refused");
}

TEST_CASE_FIXTURE(DatagramProbeTest, "UDP_CHECK passes when no error comes") {
  const ProbeResult result = ask_udp({}, nothing, 150);
  CHECK(result.ok);
  CHECK(result.text == "no error within 0.15 s");
}

TEST_CASE_FIXTURE(DatagramProbeTest, "UDP_CHECK sends its payload, else random bytes") {
  UdpCheck udp;
  udp.reply_needed = true;
  DatagramServer server(*loop, [](const std::string&) { return Replies{"x"}; });
  CheckConfig config = check(CheckKind::udp, server.endpoint());
  config.own = udp;
  CHECK(run(config).ok);
  const std::string first = server.last_request();
  CHECK(first.size() == 32);
  CHECK(run(config).ok);
  CHECK(server.last_request() != first);
  udp.payload = {1, 2, 3};
  config.own = udp;
  CHECK(run(config).ok);
  CHECK(server.last_request() == "\x01\x02\x03");
}

TEST_CASE_FIXTURE(DatagramProbeTest, "a reply that is needed must come, and be as it must be") {
  UdpCheck udp;
  udp.reply_needed = true;
  udp.reply = {{0x61, 0x60}, {0xff, 0xf0}};
  udp.shortest_reply = 2;
  udp.longest_reply = 4;
  const auto ask = [&](std::string reply) {
    return ask_udp(udp, [reply](const std::string&) { return Replies{reply}; });
  };
  CHECK(ask("ab").ok);
  CHECK(ask("aoxy").ok);
  CHECK(ask("bb").text == "byte 0 of the reply is 62, expected 61");
  CHECK(ask("ap").text == "byte 1 of the reply is 70, expected 60");
  CHECK(ask("a").text == "the reply has 1 bytes, expected 2 at least");
  CHECK(ask("abcde").text == "the reply has more than 4 bytes");
  CHECK(ask(std::string(60'000, 'a')).text == "the reply has more than 4 bytes");
  const ProbeResult silent = ask_udp(udp, nothing, 150);
  CHECK_FALSE(silent.ok);
  CHECK(silent.text == "no reply within 0.15 s");
}

TEST_CASE_FIXTURE(DatagramProbeTest, "a check leaves from the address it is bound to") {
  DatagramServer server(*loop, [](const std::string& asked) { return Replies{dns_answer(asked)}; });
  CheckConfig config = check(CheckKind::dns, server.endpoint());
  config.source.address = IpAddress::v4(127, 0, 0, 9);
  CHECK(run(config).ok);
  CHECK(server.last_client() == IpAddress::v4(127, 0, 0, 9));
  config.source.address = IpAddress::v4(192, 0, 2, 1);
  CHECK(run(config).text == "cannot bind to 192.0.2.1:0: Cannot assign requested address");
}

TEST_CASE_FIXTURE(DatagramProbeTest, "a destroyed probe never calls back") {
  DatagramServer server(*loop, [](const std::string& asked) { return Replies{dns_answer(asked)}; });
  bool called = false;
  const CheckConfig config = check(CheckKind::dns, server.endpoint());
  auto cancelled = start_probe(*context, config, [&](const auto&) { called = true; });
  cancelled.reset();
  CHECK(run(config).ok);
  CHECK_FALSE(called);
}

}  // namespace
}  // namespace xlb
