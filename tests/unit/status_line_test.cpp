#include "core/status_line.h"

#include <doctest/doctest.h>

using namespace xlb;

namespace {

Status::Vrrp router(std::string name, std::string state) {
  Status::Vrrp result;
  result.instance = std::move(name);
  result.state = std::move(state);
  return result;
}

Status::VirtualServer service(std::vector<std::string> states) {
  Status::VirtualServer result;
  for (std::string& state : states) {
    Status::RealServer real_server;
    real_server.state = std::move(state);
    result.real_servers.push_back(std::move(real_server));
  }
  return result;
}

Status ready() {
  Status status;
  status.ready = true;
  return status;
}

}  // namespace

TEST_CASE("the line names every virtual router's state and counts the real servers that are up") {
  Status status = ready();
  status.vrrp = {router("VI_1", "MASTER"), router("VI_2", "BACKUP")};
  status.virtual_servers = {service({"up", "down"}), service({"up", "draining"})};
  CHECK(status_line(status) ==
        "VI_1 MASTER, VI_2 BACKUP; 2 virtual servers, 2 of 4 real servers up");
}

TEST_CASE("what is not configured is not in the line") {
  Status status = ready();
  status.vrrp = {router("VI_1", "BACKUP")};
  CHECK(status_line(status) == "VI_1 BACKUP");
  status = ready();
  status.virtual_servers = {service({"up"})};
  CHECK(status_line(status) == "1 virtual server, 1 of 1 real server up");
}

TEST_CASE("a daemon that is not ready says why first") {
  Status status;
  status.not_ready_reason = "starting";
  status.vrrp = {router("VI_1", "BACKUP")};
  CHECK(status_line(status) == "not ready: starting; VI_1 BACKUP");
}

TEST_CASE("nothing in the line can end it") {
  Status status;
  status.not_ready_reason = "one\nWATCHDOG=trigger\x7f";
  CHECK(status_line(status) == "not ready: one WATCHDOG=trigger ");
}
