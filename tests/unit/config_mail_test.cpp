// Mail in the configuration.
#include <doctest/doctest.h>

#include <string>

#include "config_source.h"

namespace xlb {
namespace {

using test::parse_text;
using test::report;

const std::string kBlocks = R"(
vrrp_instance VI_1 {
  interface eth0
  virtual_router_id 1
  virtual_ipaddress {
    10.0.0.3
  }
}
vrrp_instance VI_2 {
  interface eth0
  virtual_router_id 2
  virtual_ipaddress {
    10.0.0.4
  }
  smtp_alert
}
vrrp_sync_group G {
  group {
    VI_1
    VI_2
  }
}
virtual_server 10.0.0.3 80 {
  lvs_sched wlc
  lvs_method DR
  protocol TCP
  real_server 10.0.0.1 80 {
  }
  real_server 10.0.0.2 80 {
    smtp_alert off
  }
}
)";

Config good(const std::string& global) {
  const ParseOutcome outcome = parse_text("global_defs {\n" + global + "\n}\n" + kBlocks);
  CHECK(report(outcome).empty());
  REQUIRE(outcome.config.has_value());
  return *outcome.config;
}

TEST_CASE("config: mail in full") {
  const Config config = good(R"(
notification_email {
  admin@example.com night+lb@example.com
  <third@example.com>
}
notification_email_from lb@example.com
smtp_server mail.example.com 2525
smtp_helo_name lb1
smtp_connect_timeout 5
no_email_faults
no_checker_emails
)");
  const MailConfig& mail = config.global.mail;
  CHECK(mail.recipients ==
        std::vector<std::string>{"admin@example.com", "night+lb@example.com", "third@example.com"});
  CHECK(mail.from == "lb@example.com");
  CHECK(mail.server == "mail.example.com");
  CHECK(mail.port == 2525);
  CHECK(mail.helo_name == "lb1");
  CHECK(mail.connect_timeout == std::chrono::seconds(5));
  CHECK_FALSE(mail.faults);
}

TEST_CASE("config: who has smtp_alert, as keepalived defaults it") {
  Config config = good("");
  CHECK(config.vrrp_instances[0].smtp_alert == false);
  CHECK(config.vrrp_instances[1].smtp_alert == true);
  CHECK(config.track.groups[0].smtp_alert == false);
  CHECK(config.virtual_servers[0].smtp_alert == false);
  CHECK(config.virtual_servers[0].real_servers[0].smtp_alert == true);
  CHECK(config.virtual_servers[0].real_servers[1].smtp_alert == false);

  config = good("smtp_alert\nsmtp_alert_checker off");
  CHECK(config.vrrp_instances[0].smtp_alert == true);
  CHECK(config.track.groups[0].smtp_alert == true);
  CHECK(config.virtual_servers[0].smtp_alert == false);
  CHECK(config.virtual_servers[0].real_servers[0].smtp_alert == false);

  config = good("smtp_alert off\nsmtp_alert_vrrp on");
  CHECK(config.vrrp_instances[0].smtp_alert == true);
  CHECK(config.virtual_servers[0].real_servers[0].smtp_alert == false);
}

TEST_CASE("config: what would be sent to the mail server as something else is refused") {
  for (const char* word : {"\"a@b.c> SIZE=1\"", "\"a b\"", "\"\""}) {
    const ParseOutcome outcome =
        parse_text("global_defs {\nsmtp_server 10.0.0.9\nnotification_email {\n" +
                   std::string(word) + "\n}\n}\n");
    CHECK(report(outcome).find("x.conf:4:1: error: ") == 0);
    CHECK(report(outcome).find("is not a mail address") != std::string::npos);
  }
  CHECK(report(parse_text("global_defs {\nsmtp_server a/b\n}\n")).find("is not a host's name") !=
        std::string::npos);
}

TEST_CASE("config: recipients without a server get a warning") {
  const ParseOutcome outcome = parse_text("global_defs {\nnotification_email {\na@b.c\n}\n}\n");
  CHECK(outcome.config.has_value());
  CHECK(report(outcome).find("x.conf:2:1: warning: no mail is sent") != std::string::npos);
}

}  // namespace
}  // namespace xlb
