// SMTP_CHECK against mail servers on loopback that serve, stall or misbehave.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <optional>

#include "io/probe/probe.h"
#include "loopback_server.h"
#include "loopback_socket.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;

// Sends its greeting on its own accord, then an answer for each line.
class MailServer {
 public:
  struct Manners {
    std::string greeting = "220 mail ESMTP\r\n";
    std::string hello = "250 hello\r\n";
    std::string bye = "221 bye\r\n";
    bool floods = false;  // with its greeting, for ever
    bool resets = false;  // after the greeting
  };

  MailServer(EventLoop& loop, Manners manners) : loop_(loop), manners_(std::move(manners)) {
    socket_ = test::loopback_socket(SOCK_STREAM, endpoint_);
    auto watch = loop_.watch(socket_.get(), EPOLLIN, [this](uint32_t) { accept(); });
    REQUIRE(watch.ok());
    watch_ = std::move(watch).value();
  }

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& heard() const { return heard_; }

 private:
  void accept() {
    client_watch_.reset();
    client_.reset(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    send(manners_.greeting);
    if (manners_.resets) {
      const linger at_once{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(client_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      return client_.reset();
    }
    auto watch = loop_.watch(client_.get(), manners_.floods ? EPOLLOUT : EPOLLIN,
                             [this](uint32_t) { ready(); });
    REQUIRE(watch.ok());
    client_watch_ = std::move(watch).value();
  }

  void ready() {
    if (manners_.floods) return send(manners_.greeting);
    char bytes[512];
    const ssize_t size = ::recv(client_.get(), bytes, sizeof bytes, 0);
    if (size <= 0) return client_watch_.reset();
    heard_.append(bytes, static_cast<size_t>(size));
    send(heard_.find("QUIT") == std::string::npos ? manners_.hello : manners_.bye);
  }

  void send(const std::string& text) {
    (void)::send(client_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }

  EventLoop& loop_;
  Manners manners_;
  Endpoint endpoint_;
  std::string heard_;
  UniqueFd socket_;
  UniqueFd client_;
  EventLoop::Watch watch_;
  EventLoop::Watch client_watch_;
};

struct SmtpProbeTest {
  std::unique_ptr<EventLoop> loop = std::move(EventLoop::create()).value();
  std::unique_ptr<ProbeContext> context = std::move(ProbeContext::create(*loop)).value();

  static CheckConfig check(const Endpoint& target, milliseconds timeout) {
    CheckConfig result;
    result.kind = CheckKind::smtp;
    result.own = SmtpCheck{"director.example.org"};
    result.target = target;
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
  ProbeResult run(MailServer::Manners manners, milliseconds timeout = milliseconds(10'000)) {
    MailServer server(*loop, std::move(manners));
    return run(check(server.endpoint(), timeout));
  }
};

TEST_CASE_FIXTURE(SmtpProbeTest, "a mail server that serves passes") {
  MailServer server(*loop, {});
  const ProbeResult result = run(check(server.endpoint(), milliseconds(10'000)));
  CHECK(result.ok);
  CHECK(result.text == "greeting 220, HELO 250");
  CHECK(server.heard() == "HELO director.example.org\r\nQUIT\r\n");
}

TEST_CASE_FIXTURE(SmtpProbeTest, "a mail server that says no fails") {
  CHECK(run({.greeting = "421 busy\r\n"}).text == "greeting is '421 busy', expected 220");
  CHECK(run({.hello = "550 not you\r\n"}).text == "reply to HELO is '550 not you', expected 250");
}

TEST_CASE_FIXTURE(SmtpProbeTest, "a mail server that stalls fails at the one deadline") {
  CHECK(run({.greeting = ""}, milliseconds(150)).text == "no greeting within 0.15 s");
  CHECK(run({.hello = ""}, milliseconds(150)).text == "no reply to HELO within 0.15 s");
  CHECK(run({.bye = ""}, milliseconds(150)).text == "no reply to QUIT within 0.15 s");
}

TEST_CASE_FIXTURE(SmtpProbeTest, "a flood of greeting fails at its bound") {
  CHECK(run({.greeting = "220-welcome\r\n", .floods = true}).text ==
        "greeting: more than 64 lines");
  CHECK(run({.greeting = std::string(600, '2'), .floods = true}).text ==
        "greeting: a line is longer than 1024 bytes");
}

TEST_CASE_FIXTURE(SmtpProbeTest, "a refused or reset connection fails with the system's reason") {
  CHECK(run(check(test::LoopbackServer::refusing(*loop), milliseconds(10'000))).text ==
        "connect: Connection refused");
  const ProbeResult reset = run({.greeting = "", .resets = true});
  CHECK_FALSE(reset.ok);
  CHECK(reset.text.find("Connection reset by peer") != std::string::npos);
}

}  // namespace
}  // namespace xlb
