// The lines of keepalived's notify FIFOs, without their newline, and the names it gives servers in
// them and in its mail.
#pragma once

#include <string>

#include "core/quorum.h"
#include "core/types.h"

namespace xlb {

// What happened to a virtual router or a sync group.
struct VrrpNotice {
  bool group = false;
  std::string name;
  std::string state;  // "MASTER", "BACKUP", "FAULT", "STOP", "DELETED", "MASTER_PRIORITY", ...
  int priority = 0;   // 0 of a group
};
std::string line_of(const VrrpNotice& notice);  // INSTANCE "VI_1" MASTER 100
// VS [10.0.0.1]:tcp:80 UP; RS [10.0.0.2]:tcp:80 [10.0.0.1]:tcp:80 DOWN
std::string line_of(const ServiceKey& service, const QuorumEvent& event);

std::string notice_name(const ServiceKey& service);  // [10.0.0.1]:tcp:80, FWM 7
std::string notice_name(const Endpoint& real_server, Protocol protocol);

}  // namespace xlb
