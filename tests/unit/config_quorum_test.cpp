// The words of quorum, sorry server, alpha, warmup and checks over TLS, and their inheritance.
#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "config_source.h"
#include "core/config_parse.h"
#include "io/config_file.h"

using namespace xlb;
using namespace std::chrono_literals;

namespace {

VirtualServerConfig service_of(const std::string& words, const std::string& in_real_server) {
  auto outcome = test::parse_text(
      "virtual_server 10.0.0.1 80 {\n lb_algo rr\n lb_kind DR\n"
      " protocol TCP\n" +
      words + "\n real_server 10.0.0.2 80 {\n" + in_real_server + "\n }\n}\n");
  CAPTURE(test::report(outcome));
  REQUIRE(outcome.config.has_value());
  return outcome.config->virtual_servers.at(0);
}

const std::string kUrl = "url {\n path /\n }\n";

CheckConfig check_of(const std::string& in_service, const std::string& in_real_server,
                     const std::string& in_check) {
  const std::string check = "SSL_GET {\n" + in_check + "\n" + kUrl + "}\n";
  return service_of(in_service, in_real_server + "\n" + check).real_servers.at(0).checks.at(0);
}

}  // namespace

TEST_CASE("quorum words mean what they say") {
  ConfigFileReader reader;
  const auto outcome =
      parse_config(XLB_SOURCE_DIR "/tests/fixtures/good/quorum.conf", reader, ParseOptions{true});
  CAPTURE(test::report(outcome));
  REQUIRE(outcome.config.has_value());
  const VirtualServerConfig& service = outcome.config->virtual_servers.at(0);
  CHECK(service.quorum == 200);
  CHECK(service.hysteresis == 199);
  CHECK(service.omega);
  CHECK(service.sorry_server == Endpoint{IpAddress::v4(127, 0, 0, 1), 80});
  REQUIRE(service.quorum_up.has_value());
  CHECK(service.quorum_up->argv == std::vector<std::string>{"/etc/xlb/quorum.sh", "up"});
  CHECK(service.quorum_up->user == "root");
  CHECK(service.quorum_down->group == "root");

  const RealServerConfig& first = service.real_servers.at(0);
  CHECK_FALSE(first.inhibit_on_failure);
  CHECK(first.notify_up->argv == std::vector<std::string>{"/etc/xlb/real.sh", "up", "1"});
  CHECK(first.notify_down->argv.at(1) == "down");
  CHECK_FALSE(first.checks.at(0).timing.alpha);
  CHECK(first.checks.at(0).timing.warmup == 2500ms);
  CHECK(first.checks.at(0).http_version == HttpVersion::v1_0_close);
  CHECK(first.checks.at(0).urls.at(0).virtual_host == "www.example.org");

  const RealServerConfig& second = service.real_servers.at(1);
  CHECK(second.inhibit_on_failure);
  CHECK(second.checks.at(0).kind == CheckKind::ssl_get);
  CHECK(second.checks.at(0).timing.alpha);
  CHECK(second.checks.at(0).timing.delay_before_retry == 3s);

  const CheckConfig& tls = outcome.config->virtual_servers.at(1).real_servers.at(0).checks.at(0);
  CHECK(tls.http_version == HttpVersion::v1_1);
  CHECK(tls.urls.at(0).virtual_host == "other.example.org");
  CHECK(tls.urls.at(1).virtual_host == "www.example.org:443");
}

TEST_CASE("without these words a service is up with any real server, and checks begin at once") {
  const VirtualServerConfig service = service_of("", "TCP_CHECK {\n }");
  CHECK(service.quorum == 1);
  CHECK(service.hysteresis == 0);
  CHECK_FALSE(service.omega);
  CHECK_FALSE(service.sorry_server.has_value());
  CHECK_FALSE(service.real_servers.at(0).inhibit_on_failure);
  CHECK_FALSE(service.real_servers.at(0).checks.at(0).timing.alpha);
  CHECK(service.real_servers.at(0).checks.at(0).timing.warmup == 0s);
}

TEST_CASE(
    "alpha, warmup and virtualhost go from the outside to the inside, the innermost winning") {
  CHECK(check_of("alpha\n warmup 9", "", "").timing.alpha);
  CHECK_FALSE(check_of("alpha", "alpha no", "").timing.alpha);
  CHECK(check_of("alpha", "alpha no", "alpha yes").timing.alpha);
  CHECK(check_of("warmup 9", "warmup 3", "").timing.warmup == 3s);
  CHECK(check_of("warmup 9", "warmup 3", "warmup 0").timing.warmup == 0s);
  CHECK(check_of("virtualhost a", "", "").urls.at(0).virtual_host == "a");
  CHECK(check_of("virtualhost a", "virtualhost b", "").urls.at(0).virtual_host == "b");
  CHECK(check_of("virtualhost a", "virtualhost b", "virtualhost c").urls.at(0).virtual_host == "c");
}

TEST_CASE("the TLS hello carries a name only when told to: sni_name, else the virtualhost") {
  CHECK(check_of("virtualhost a.example", "", "").urls.at(0).sni.empty());
  CHECK(check_of("virtualhost a.example:8443", "", "enable_sni").urls.at(0).sni == "a.example");
  CHECK(check_of("virtualhost a.example", "", "sni_name b.example").urls.at(0).sni == "b.example");
}

TEST_CASE("the sorry server's port is the virtual server's unless given") {
  CHECK(service_of("sorry_server 10.0.0.9", "").sorry_server ==
        Endpoint{IpAddress::v4(10, 0, 0, 9), 80});
}
