#include "core/status.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace xlb;
using Json = nlohmann::ordered_json;

namespace {

Status example() {
  Status status;
  status.version = "0.1.0";
  status.generated_at = WallTime{};
  status.ready = true;
  status.flow_table_size = 1048576;
  status.flows = 7;
  status.dataplane.push_back({"eth0", "generic", "the driver has no XDP"});
  Status::Vrrp vrrp;
  vrrp.instance = "VI_1";
  vrrp.state = "MASTER";
  vrrp.priority = 200;
  vrrp.virtual_router_id = 10;
  vrrp.virtual_addresses = {"10.10.0.3/24"};
  vrrp.transitions = 1;
  vrrp.refused = {{"checksum", 3}};
  status.vrrp.push_back(vrrp);
  Status::RealServer real_server;
  real_server.endpoint = {IpAddress::v4(10, 10, 0, 2), 80};
  real_server.forward = "Route";
  real_server.weight = 100;
  real_server.state = "up";
  real_server.reason = "HTTP 200";
  real_server.active_connections = 1;
  real_server.inactive_connections = 4;
  real_server.traffic = {30, 1800, 5};
  real_server.checks.push_back({"HTTP_GET", "10.10.0.2:80", true, 0, "HTTP 200", std::nullopt});
  Status::VirtualServer virtual_server;
  virtual_server.key = {IpAddress::v4(10, 10, 0, 3), 80, Protocol::tcp};
  virtual_server.scheduler = "rr";
  virtual_server.forwarding = "DR";
  virtual_server.persistence_timeout_s = 50;
  virtual_server.state = "up";
  virtual_server.traffic = {31, 1860, 5};
  virtual_server.rates = {0.126, 4, 276};
  virtual_server.real_servers.push_back(real_server);
  status.virtual_servers.push_back(virtual_server);
  status.drops.push_back({"drop_ttl", 2});
  status.tables.push_back({"flows", 7, 1048576, {}});
  return status;
}

std::vector<std::string> names(const Json& object) {
  std::vector<std::string> result;
  for (const auto& item : object.items())
    result.push_back(item.key());
  return result;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("the status document tells what a virtual router tracks, and of notify FIFOs") {
  Status status;
  Status::Vrrp vrrp;
  vrrp.sync_group = "G";
  Status::Tracker file{"file", "load", "up", -7, 2, true, 14, false, "-7"};
  vrrp.trackers = {{"script", "chk", "down", 0, -20, false, -20, false, "exited 1"}, file};
  status.vrrp.push_back(vrrp);
  status.notify_fifos.push_back({"notify_fifo", "/run/fifo", 12, 1});
  const Json document = Json::parse(to_json(status));
  const Json& trackers = document["vrrp"][0]["trackers"];
  CHECK(names(trackers[0]) ==
        Names{"kind", "name", "state", "weight", "reverse", "priority_change", "fault", "result"});
  CHECK(names(trackers[1]) == Names{"kind", "name", "state", "value", "weight", "reverse",
                                    "priority_change", "fault", "result"});
  CHECK(trackers[1]["value"] == -7);
  CHECK(document["vrrp"][0]["sync_group"] == "G");
  CHECK(names(document["notify_fifos"][0]) == Names{"word", "path", "lines", "lost"});
}

TEST_CASE("the status document has its documented members, in order") {
  const Json document = Json::parse(to_json(example()));
  CHECK(names(document) == Names{"version", "generated_at", "ready", "not_ready_reason", "warnings",
                                 "flow_table", "dataplane", "vrrp", "virtual_servers",
                                 "notify_fifos", "drops", "maps", "loop"});
  CHECK(names(document["maps"][0]) == Names{"name", "used", "size", "memory_bytes"});
  CHECK(names(document["dataplane"][0]) == Names{"interface", "mode", "reason"});
  CHECK(names(document["vrrp"][0]) == Names{"instance",
                                            "state",
                                            "reason",
                                            "priority",
                                            "effective_priority",
                                            "virtual_router_id",
                                            "interface",
                                            "family",
                                            "mode",
                                            "peers",
                                            "version",
                                            "advert_interval_s",
                                            "virtual_addresses",
                                            "master_address",
                                            "since",
                                            "transitions",
                                            "sync_group",
                                            "trackers",
                                            "adverts_sent",
                                            "adverts_received",
                                            "adverts_late",
                                            "adverts_refused",
                                            "alarms"});
  const Json& virtual_server = document["virtual_servers"][0];
  CHECK(names(virtual_server) == Names{"address", "port", "protocol", "fwmark", "group",
                                       "scheduler", "forwarding", "hash_port", "one_packet",
                                       "persistence_timeout_s", "persistence_prefix", "state",
                                       "quorum", "packets", "bytes", "connections", "rates",
                                       "real_servers", "sorry_server"});
  CHECK(names(virtual_server["quorum"]) == Names{"needed", "hysteresis", "weight", "met"});
  CHECK(virtual_server["sorry_server"].is_null());
  CHECK(names(virtual_server["real_servers"][0]) ==
        Names{"address", "port", "forward", "weight", "configured_weight", "state", "reason", "mac",
              "active_connections", "inactive_connections", "persistent_clients", "packets",
              "bytes", "connections", "rates", "checks"});
  CHECK(names(virtual_server["rates"]) ==
        Names{"connections_per_s", "packets_per_s", "bytes_per_s"});
}

TEST_CASE("the status document carries the values") {
  const Json document = Json::parse(to_json(example()));
  CHECK(document["generated_at"] == "1970-01-01T00:00:00.000Z");
  CHECK(document["flow_table"]["size"] == 1048576);
  CHECK(document["vrrp"][0]["virtual_addresses"] == Json::array({"10.10.0.3/24"}));
  CHECK(document["vrrp"][0]["adverts_refused"][0]["reason"] == "checksum");
  const Json& virtual_server = document["virtual_servers"][0];
  CHECK(virtual_server["address"] == "10.10.0.3");
  CHECK(virtual_server["protocol"] == "TCP");
  CHECK(virtual_server["persistence_timeout_s"] == 50);
  CHECK(virtual_server["bytes"] == 1860);
  CHECK(virtual_server["rates"]["connections_per_s"] == 0.13);
  CHECK(virtual_server["rates"]["bytes_per_s"] == 276);
  CHECK(virtual_server["real_servers"][0]["inactive_connections"] == 4);
  CHECK(virtual_server["real_servers"][0]["checks"][0]["last_at"].is_null());
}

TEST_CASE("a virtual server without persistence says 0, empty lists are arrays") {
  Status status = example();
  status.virtual_servers[0].persistence_timeout_s.reset();
  status.virtual_servers[0].real_servers.clear();
  status.vrrp.clear();
  const Json document = Json::parse(to_json(status));
  CHECK(document["virtual_servers"][0]["persistence_timeout_s"] == 0);
  CHECK(document["virtual_servers"][0]["real_servers"] == Json::array());
  CHECK(document["vrrp"] == Json::array());
  CHECK(document["maps"][0]["used"] == 7);
  CHECK(document["maps"][0]["memory_bytes"].is_null());
  CHECK(document["warnings"] == Json::array());
}

TEST_CASE("text that is not UTF-8 is replaced, control characters are escaped") {
  Status status = example();
  status.virtual_servers[0].real_servers[0].reason = "HTTP \xff\xfe \x1b[2J \"quoted\"";
  const std::string text = to_json(status);
  CHECK(text.find('\xff') == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
  const Json document = Json::parse(text);
  CHECK(document["virtual_servers"][0]["real_servers"][0]["reason"] ==
        "HTTP \xef\xbf\xbd\xef\xbf\xbd \x1b[2J \"quoted\"");
}

TEST_CASE("the line style has one newline, at its end, and the same content") {
  const std::string line = to_json(example(), JsonStyle::line);
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(Json::parse(line) == Json::parse(to_json(example())));
}

TEST_CASE("the pretty style has two spaces a level") {
  Status status = example();
  status.virtual_servers.push_back(example().virtual_servers[0]);
  status.virtual_servers[0].sorry_server = status.virtual_servers[0].real_servers[0];
  status.virtual_servers[1].real_servers.clear();
  for (const Status& one : {status, example(), Status{}})
    CHECK(to_json(one) == Json::parse(to_json(one, JsonStyle::line)).dump(2) + "\n");
}

TEST_CASE("the document in pieces is the line") {
  Status status = example();
  Status::VirtualServer& service = status.virtual_servers[0];
  service.sorry_server = service.real_servers[0];
  for (int i = 0; i < 120; ++i)
    service.real_servers.push_back(service.real_servers[0]);
  Status::VirtualServer lonely = service;
  lonely.real_servers.clear();
  status.virtual_servers.push_back(lonely);
  status.virtual_servers.push_back(example().virtual_servers[0]);
  const auto in_pieces = [](const Status& whole) {
    StatusDocument document(whole);
    std::string text;
    while (document.next(text)) {
    }
    return text;
  };
  CHECK(in_pieces(status) == to_json(status, JsonStyle::line));
  CHECK(in_pieces(Status{}) == to_json(Status{}, JsonStyle::line));
}

TEST_CASE("times are RFC 3339 in UTC with milliseconds") {
  using namespace std::chrono;
  CHECK(rfc3339(WallTime{} + seconds(1'700'000'000) + milliseconds(7)) ==
        "2023-11-14T22:13:20.007Z");
  CHECK(rfc3339(WallTime{} - milliseconds(1)) == "1969-12-31T23:59:59.999Z");
  CHECK(rfc3339(WallTime{} + hours(24) * 19782) == "2024-02-29T00:00:00.000Z");
}
