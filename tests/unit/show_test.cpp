// The listings, byte for byte; those of ipvsadm against its own output (version 1.31).
#include <doctest/doctest.h>

#include "core/status.h"
#include "show_format.h"

using namespace xlb;
using show::Json;

namespace {

Status::RealServer real_server(uint8_t last, std::string forward, uint64_t active,
                               uint64_t inactive) {
  Status::RealServer result;
  result.endpoint = {IpAddress::v4(10, 20, 0, last), 80};
  result.forward = std::move(forward);
  result.state = "up";
  result.reason = "HTTP 200";
  result.mac = "02:00:00:00:00:11";
  result.active_connections = active;
  result.inactive_connections = inactive;
  result.checks.push_back({"HTTP_GET", result.endpoint.to_string(), true, 0, "HTTP 200", {}});
  return result;
}

Status example() {
  Status status;
  status.version = "0.1.0";
  status.flow_table_size = 1048576;
  Status::VirtualServer tcp;
  tcp.key = {IpAddress::v4(10, 20, 0, 100), 80, Protocol::tcp};
  tcp.scheduler = "rr";
  tcp.persistence_timeout_s = 50;
  tcp.state = "up";
  tcp.traffic = {361, 23752, 60};
  tcp.real_servers = {real_server(11, "Route", 0, 30), real_server(12, "Route", 0, 50)};
  tcp.real_servers[0].traffic = {126, 8295, 21};
  tcp.real_servers[1].traffic = {245, 16135, 40};
  status.virtual_servers.push_back(tcp);
  Status::VirtualServer udp = tcp;
  udp.key.protocol = Protocol::udp;
  udp.traffic = {};
  udp.real_servers = {real_server(11, "Route", 0, 0), real_server(12, "Route", 0, 0)};
  status.virtual_servers.push_back(udp);
  status.drops = {{"ttl", 2}, {"malformed", 0}};
  return status;
}

Json document(const Status& status) {
  return Json::parse(to_json(status));
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("xlbctl show is ipvsadm -L -n but for its first line") {
  CHECK(show::services_table(document(example())) ==
        "xlb 0.1.0 (flow table 1048576)\n"
        "Prot LocalAddress:Port Scheduler Flags\n"
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        "TCP  10.20.0.100:80 rr persistent 50\n"
        "  -> 10.20.0.11:80                Route   1      0          30        \n"
        "  -> 10.20.0.12:80                Route   1      0          50        \n"
        "UDP  10.20.0.100:80 rr persistent 50\n"
        "  -> 10.20.0.11:80                Route   1      0          0         \n"
        "  -> 10.20.0.12:80                Route   1      0          0         \n");
}

TEST_CASE("xlbctl show appends why a real server is out, after ipvsadm's columns") {
  Status status = example();
  status.virtual_servers.pop_back();
  status.virtual_servers[0].persistence_timeout_s.reset();
  auto& real_servers = status.virtual_servers[0].real_servers;
  real_servers[0].state = "down";
  real_servers[0].reason = "connect: Connection refused \x1b[2J\x7f\xc2\x9b";
  real_servers[1].state = "draining";
  real_servers[1].weight = 0;
  CHECK(show::services_table(document(status)) ==
        "xlb 0.1.0 (flow table 1048576)\n"
        "Prot LocalAddress:Port Scheduler Flags\n"
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        "TCP  10.20.0.100:80 rr\n"
        "  -> 10.20.0.11:80                Route   1      0          30          "
        "down: connect: Connection refused ?[2J??\n"
        "  -> 10.20.0.12:80                Route   0      0          50          draining\n");
}

TEST_CASE("xlbctl show has a row for the sorry server while it is in use, and says so") {
  Status status = example();
  status.virtual_servers.pop_back();
  Status::VirtualServer& service = status.virtual_servers[0];
  service.real_servers.pop_back();
  service.real_servers[0].state = "down";
  service.state = "sorry";
  service.sorry_server = real_server(19, "Route", 2, 0);
  CHECK(contains(show::services_table(document(status)),
                 "  -> 10.20.0.11:80                Route   1      0          30          "
                 "down: HTTP 200\n"
                 "  -> 10.20.0.19:80                Route   1      2          0           "
                 "sorry server\n"));
  CHECK(contains(show::stats_table(document(status)), "\n  -> 10.20.0.19:80 "));
}

TEST_CASE("xlbctl show stats is ipvsadm -L -n --stats but for its first line") {
  CHECK(show::stats_table(document(example())) ==
        "xlb 0.1.0 (flow table 1048576)\n"
        "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n"
        "  -> RemoteAddress:Port\n"
        "TCP  10.20.0.100:80                     60      361        0    23752        0\n"
        "  -> 10.20.0.11:80                      21      126        0     8295        0\n"
        "  -> 10.20.0.12:80                      40      245        0    16135        0\n"
        "UDP  10.20.0.100:80                      0        0        0        0        0\n"
        "  -> 10.20.0.11:80                       0        0        0        0        0\n"
        "  -> 10.20.0.12:80                       0        0        0        0        0\n");
}

TEST_CASE("xlbctl show rate is ipvsadm -L -n --rate but for its first line") {
  Status status = example();
  auto& service = status.virtual_servers[0];
  service.rates = {1.2, 4.49, 276};
  service.real_servers[0].rates = {0.49, 1, 73.1};
  service.real_servers[1].rates = {0.5, 3.49, 202.9};
  CHECK(show::rate_table(document(status)) ==
        "xlb 0.1.0 (flow table 1048576)\n"
        "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n"
        "  -> RemoteAddress:Port\n"
        "TCP  10.20.0.100:80                      1        4        0      276        0\n"
        "  -> 10.20.0.11:80                       0        1        0       73        0\n"
        "  -> 10.20.0.12:80                       1        3        0      203        0\n"
        "UDP  10.20.0.100:80                      0        0        0        0        0\n"
        "  -> 10.20.0.11:80                       0        0        0        0        0\n"
        "  -> 10.20.0.12:80                       0        0        0        0        0\n");
  const Json rates = show::rate_document(document(status));
  CHECK(rates["virtual_servers"][0]["rates"]["packets_per_s"] == 4.49);
  CHECK(rates["virtual_servers"][0]["real_servers"][1]["rates"]["bytes_per_s"] == 202.9);
}

TEST_CASE("large counters keep their columns") {
  Status status = example();
  status.virtual_servers.pop_back();
  auto& real_servers = status.virtual_servers[0].real_servers;
  real_servers.pop_back();
  status.virtual_servers[0].traffic = {99'999'999, 100'000'000, 999'999'999};
  real_servers[0].traffic = {1'000'000'000, 100'000'000'000, 100'000'000'000'000};
  const std::string table = show::stats_table(document(status));
  CHECK(contains(
      table, "TCP  10.20.0.100:80                999999K 99999999        0  100000K        0\n"));
  CHECK(contains(
      table, "  -> 10.20.0.11:80                    100T    1000M        0     100G        0\n"));
}

TEST_CASE("IPv6 addresses stand in brackets") {
  Status status = example();
  status.virtual_servers[0].key.address = *IpAddress::parse("2001:db8::100");
  CHECK(contains(show::services_table(document(status)), "\nTCP  [2001:db8::100]:80 rr"));
}

TEST_CASE("masks and flags of a virtual server stand where ipvsadm has them") {
  Status status = example();
  Status::VirtualServer& service = status.virtual_servers[0];
  service.scheduler = "sh";
  service.hash_port = true;
  service.persistence_prefix = 20;
  CHECK(contains(show::services_table(document(status)),
                 "\nTCP  10.20.0.100:80 sh (sh-port) persistent 50 mask 255.255.240.0\n"));
  service = status.virtual_servers[1];
  service.key.address = *IpAddress::parse("2001:db8::100");
  service.persistence_prefix = 64;
  service.one_packet = true;
  CHECK(contains(show::services_table(document(status)),
                 "\nUDP  [2001:db8::100]:80 rr persistent 50 mask 64 ops\n"));
}

TEST_CASE("xlbctl show connections is ipvsadm -L -n -c but for its first line") {
  const Json connection = {{"protocol", "TCP"},    {"state", "FIN_WAIT"},
                           {"expires_in_s", 42},   {"client_address", "10.20.0.1"},
                           {"client_port", 57356}, {"virtual_address", "10.20.0.100"},
                           {"virtual_port", 80},   {"real_address", "10.20.0.12"},
                           {"real_port", 80}};
  CHECK(show::connections_header() + show::connection_row(connection) ==
        "xlb connection entries\n"
        "pro expire state       source             virtual            destination\n"
        "TCP 00:42  FIN_WAIT    10.20.0.1:57356    10.20.0.100:80     10.20.0.12:80\n");
}

TEST_CASE("xlbctl show persistence lists clients, marking those still connected") {
  Json client = {{"protocol", "TCP"},
                 {"expires_in_s", 125},
                 {"live", false},
                 {"client_address", "10.20.0.31"},
                 {"virtual_address", "10.20.0.100"},
                 {"virtual_port", 80},
                 {"real_address", "10.20.0.11"},
                 {"real_port", 80}};
  std::string table = show::persistence_header() + show::persistence_row(client);
  client["live"] = true;
  table += show::persistence_row(client);
  CHECK(table ==
        "xlb persistent clients\n"
        "pro expire client             virtual            destination\n"
        "TCP 02:05  10.20.0.31         10.20.0.100:80     10.20.0.11:80\n"
        "TCP 02:05  10.20.0.31         10.20.0.100:80     10.20.0.11:80  connected\n");
}

TEST_CASE("xlbctl show vrrp lists virtual routers and what is wrong with them") {
  Status status;
  Status::Vrrp master;
  master.instance = "VI_1";
  master.state = "MASTER";
  master.priority = 250;
  master.effective_priority = 200;
  master.family = "IPv4";
  master.mode = "unicast";
  master.peers = {"10.10.0.2"};
  master.adverts_late = 7;
  master.alarms = {{"duplicate", 2}};
  master.virtual_router_id = 10;
  master.interface = "eth0";
  master.virtual_addresses = {"10.10.0.3/24", "10.10.0.4/24"};
  master.transitions = 1;
  master.refused = {{"checksum", 3}, {"ttl", 1}};
  Status::Vrrp fault;
  fault.instance = "long_name";
  fault.state = "FAULT";
  fault.reason = "eth1 is down";
  fault.priority = 100;
  fault.effective_priority = 100;
  fault.family = "IPv6";
  fault.mode = "multicast";
  fault.virtual_router_id = 11;
  fault.interface = "eth1";
  fault.version = 3;
  status.vrrp = {master, fault};
  CHECK(show::vrrp_table(document(status)) ==
        "Instance   State   Priority  VRID  Version  Family  Mode       Interface  Master  "
        "Transitions  Since                     Addresses\n"
        "VI_1       MASTER  200       10    2        IPv4    unicast    eth0       self    "
        "1            1970-01-01T00:00:00.000Z  10.10.0.3/24 10.10.0.4/24\n"
        "long_name  FAULT   100       11    3        IPv6    multicast  eth1       -       "
        "0            1970-01-01T00:00:00.000Z  -\n"
        "VI_1: configured priority: 250\n"
        "VI_1: peers: 10.10.0.2\n"
        "VI_1: advertisements refused: checksum 3, ttl 1\n"
        "VI_1: alarms: duplicate 2\n"
        "VI_1: advertisements sent late: 7\n"
        "long_name: eth1 is down\n");
}

TEST_CASE("xlbctl show checks has a row for each check") {
  Status status = example();
  status.virtual_servers.pop_back();
  auto& check = status.virtual_servers[0].real_servers[1].checks[0];
  check.up = false;
  check.consecutive_failures = 12;
  check.attempts = 40;
  check.suspended = true;
  check.result = "no answer in 5 s";
  CHECK(show::checks_table(document(status)) ==
        "Prot  VirtualServer   RealServer     Check     Target         State             Attempts  "
        "Failures  Result\n"
        "TCP   10.20.0.100:80  10.20.0.11:80  HTTP_GET  10.20.0.11:80  up                0         "
        "0         HTTP 200\n"
        "TCP   10.20.0.100:80  10.20.0.12:80  HTTP_GET  10.20.0.12:80  down (suspended)  40        "
        "12        no answer in 5 s\n");
}

TEST_CASE("xlbctl show neighbours and drops") {
  Status status = example();
  status.virtual_servers[0].real_servers[1].mac.clear();
  CHECK(show::neighbours_table(document(status)) ==
        "Address     MAC\n"
        "10.20.0.11  02:00:00:00:00:11\n"
        "10.20.0.12  unresolved\n");
  CHECK(show::drops_table(document(status)) ==
        "Reason     Packets\n"
        "ttl        2\n"
        "malformed  0\n");
}

TEST_CASE("xlbctl show maps lists the data plane's tables") {
  Status status;
  status.tables = {{"flows", 12, 1048576, 16777216}, {"slots", {}, 4096, 65536}, {"x", 1, {}, {}}};
  CHECK(show::maps_table(document(status)) ==
        "Table  Used  Size     Memory\n"
        "flows  12    1048576  16.0 MiB\n"
        "slots  -     4096     64.0 KiB\n"
        "x      1     -        -\n");
  CHECK(show::maps_document(document(status))["maps"][1]["used"].is_null());
}

TEST_CASE("an empty status makes empty tables") {
  const Json status = document({});
  CHECK(show::vrrp_table(status).find('\n') == show::vrrp_table(status).size() - 1);
  CHECK(contains(show::checks_table(status), "VirtualServer"));
  CHECK(contains(show::services_table(status), "Prot LocalAddress:Port Scheduler Flags\n"));
}

TEST_CASE("the documents of --json hold what their tables show") {
  const Json status = document(example());
  const Json stats = show::stats_document(status);
  CHECK(stats["version"] == "0.1.0");
  CHECK(stats["virtual_servers"][0]["real_servers"][1]["bytes"] == 16135);
  CHECK_FALSE(stats["virtual_servers"][0].contains("state"));
  const Json checks = show::checks_document(status);
  CHECK(checks["checks"].size() == 4);
  CHECK(checks["checks"][1]["real_address"] == "10.20.0.12");
  CHECK(checks["checks"][1]["kind"] == "HTTP_GET");
  CHECK(show::neighbours_document(status)["neighbours"].size() == 2);
  CHECK(show::drops_document(status)["drops"][0]["reason"] == "ttl");
  CHECK(show::vrrp_document(status)["vrrp"] == Json::array());
}
