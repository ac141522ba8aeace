#include "core/status_page.h"

#include <doctest/doctest.h>

using namespace xlb;

namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

Status example() {
  Status status;
  status.version = "0.1.0";
  status.ready = true;
  Status::Vrrp vrrp;
  vrrp.instance = "VI_1";
  vrrp.state = "MASTER";
  vrrp.virtual_addresses = {"10.10.0.3/24"};
  status.vrrp.push_back(vrrp);
  Status::VirtualServer service;
  service.key = {IpAddress::v4(10, 10, 0, 3), 80, Protocol::tcp};
  service.scheduler = "rr";
  service.persistence_timeout_s = 50;
  service.state = "up";
  service.rates.packets_per_s = 12.6;
  Status::RealServer server;
  server.endpoint = {IpAddress::v4(10, 10, 0, 2), 80};
  server.forward = "Route";
  server.state = "down";
  server.reason = "connect: Connection refused";
  service.real_servers.push_back(server);
  status.virtual_servers.push_back(service);
  status.tables = {{"flows", 7, 1048576, {}}};
  return status;
}

}  // namespace

TEST_CASE("the page shows what runs and what is wrong") {
  Status status = example();
  status.ready = false;
  status.not_ready_reason = "eth9: no such interface";
  const std::string page = status_page(status);
  for (const char* part :
       {"<h1>xlb 0.1.0 <span class=\"bad\">not ready</span></h1>", "eth9: no such interface",
        "<td>TCP 10.10.0.3:80</td><td>rr</td><td>persistent 50</td><td class=\"good\">up</td>",
        "<td class=\"n\">13</td>", "10.10.0.2:80</td>", "<td class=\"bad\">down</td>",
        "<td>connect: Connection refused</td>", "<td>VI_1</td><td class=\"good\">MASTER</td>",
        "<td>flows</td><td class=\"n\">7</td><td class=\"n\">1048576</td>"}) {
    CHECK_MESSAGE(contains(page, part), part);
  }
}

TEST_CASE("text from outside stays text") {
  Status status = example();
  status.virtual_servers[0].real_servers[0].reason = "<script>alert(\"1\")</script> & 'x' \xff\x1b";
  status.warnings = {"</p><img src=x onerror=alert(1)>"};
  status.vrrp[0].instance = "<b>";
  const std::string page = status_page(status);
  CHECK(contains(page,
                 "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39; "
                 "\xef\xbf\xbd\xef\xbf\xbd"));
  for (const char* part : {"<script", "<img", "<b>"})
    CHECK_FALSE(contains(page, part));
}

TEST_CASE("the page loads nothing from anywhere") {
  const std::string page = status_page(example());
  for (const char* part :
       {"<script", "<link", "<img", "http:", "https:", "url(", "@import", "src="})
    CHECK_FALSE_MESSAGE(contains(page, part), part);
}

TEST_CASE("an empty status is a page too") {
  CHECK(contains(status_page({}), "</body></html>\n"));
}
