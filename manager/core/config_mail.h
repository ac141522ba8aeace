// The validated model of a configuration file: who gets mail, and by which server. See config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace xlb {

// notification_email and what belongs to it. Mail is sent only if there are recipients and a
// server.
struct MailConfig {
  std::vector<std::string> recipients;  // as SMTP's RCPT TO takes them, without angle brackets
  std::string from;                     // empty: keepalived@ and the host's name
  std::string server;                   // a name or an address; empty: none
  uint16_t port = 25;
  std::string helo_name;  // empty: the host's name
  std::chrono::seconds connect_timeout{30};
  bool faults = true;  // also of virtual routers in FAULT

  bool operator==(const MailConfig&) const = default;
};

}  // namespace xlb
