#include "core/mail_alert.h"

#include <doctest/doctest.h>

namespace xlb {
namespace {

VirtualServerConfig web() {
  VirtualServerConfig config;
  config.key = {IpAddress::v4(10, 0, 0, 3), 80, Protocol::tcp};
  config.quorum = 2;
  config.hysteresis = 1;
  return config;
}

TEST_CASE("subjects are those of keepalived") {
  CHECK(alert_of({false, "VI_1", "MASTER", 100}).subject ==
        "VRRP Instance VI_1 - Entering MASTER state");
  CHECK(alert_of({true, "G", "FAULT", 0}).subject == "VRRP Group G - Entering FAULT state");
  CHECK(alert_of({false, "VI_1", "STOP", 100}).subject == "VRRP Instance VI_1 - Stopping");
  const Endpoint real_server{IpAddress::v4(10, 0, 0, 1), 8080};
  CHECK(alert_of(web(), {QuorumEvent::Kind::real_server_down, real_server, {}, 0}).subject ==
        "Realserver [10.0.0.1]:tcp:8080 of virtual server [10.0.0.3]:tcp:80 - DOWN");
  const MailAlert lost = alert_of(web(), {QuorumEvent::Kind::lost, {}, {}, 1});
  CHECK(lost.subject == "Virtualserver [10.0.0.3]:tcp:80 - DOWN");
  CHECK(lost.text == "=> Lost quorum: quorum 2, hysteresis 1, weight 1 <=");
}

TEST_CASE("a message is one that mail programs read") {
  MailConfig mail;
  mail.recipients = {"admin@example.com", "night@example.com"};
  std::tm when{};
  when.tm_year = 126;
  when.tm_mon = 10;
  when.tm_mday = 3;
  when.tm_wday = 2;
  when.tm_hour = 4;
  when.tm_gmtoff = -5400;
  CHECK(message_of({"Subject", "text"}, mail, "lb@example.com", "lb1", when) ==
        "Date: Tue, 03 Nov 2026 04:00:00 -0130\r\n"
        "From: lb@example.com\r\n"
        "Subject: [lb1] Subject\r\n"
        "X-Mailer: xlb\r\n"
        "To: admin@example.com, night@example.com\r\n"
        "\r\n"
        "text\r\n");
}

TEST_CASE("a name with a line break cannot add a header") {
  const MailAlert alert = alert_of({false, "VI\r\nBcc: x@example.com", "MASTER", 1});
  const std::string text = message_of(alert, {}, "a@b", "lb\n1", {});
  CHECK(text.find("\r\nBcc") == std::string::npos);
  CHECK(text.find("Subject: [lb 1] VRRP Instance VI  Bcc") != std::string::npos);
}

}  // namespace
}  // namespace xlb
