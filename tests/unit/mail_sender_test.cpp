#include "io/mail_sender.h"

#include <string>

#include "loopback_server.h"

namespace xlb {
namespace {

Mail mail_to(const Endpoint& server) {
  MailConfig config;
  config.recipients = {"admin@example.com"};
  config.server = server.address.to_string();
  config.port = server.port;
  return {config, "lb@example.com", "Subject: x\r\n\r\nx\r\n"};
}

TEST_CASE("mail that a server does not take is an error with its reason, from the loop") {
  auto loop = EventLoop::create();
  REQUIRE(loop.ok());
  test::Behaviour unfriendly;
  unfriendly.reset_on_accept = true;
  const test::LoopbackServer server(**loop, unfriendly);
  MailSender sender(**loop);
  std::string error;
  REQUIRE(sender.send(mail_to(server.endpoint()), [&](const Result<void>& sent) {
    CHECK_FALSE(sent.ok());
    error = sent.error().text;
  }));
  CHECK_FALSE(sender.idle());
  test::run_until(**loop, [&] { return sender.idle(); });
  CHECK_FALSE(error.empty());
}

TEST_CASE("an outage fills no memory with mail, and nobody waits for a server that hangs") {
  auto loop = EventLoop::create();
  REQUIRE(loop.ok());
  test::Behaviour silent;
  silent.end = test::Behaviour::End::stay_open;
  const test::LoopbackServer server(**loop, silent);
  size_t taken = 0;
  {
    MailSender sender(**loop);
    const auto ignore = [](const Result<void>&) { FAIL("nothing can have been sent"); };
    while (taken < 10 * MailSender::kMostWaiting && sender.send(mail_to(server.endpoint()), ignore))
      ++taken;
    test::run_until(**loop, [&] { return server.accepted() > 0; });
  }
  CHECK(taken == MailSender::kMostWaiting);
}

}  // namespace
}  // namespace xlb
