// What the recipients of notification_email read: keepalived's subjects and texts, which filters of
// mail may know. Pure.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "core/config_mail.h"
#include "core/notify_line.h"
#include "core/quorum.h"
#include "core/types.h"

namespace xlb {

struct MailAlert {
  std::string subject;  // without the router_id
  std::string text;

  bool operator==(const MailAlert&) const = default;
};

MailAlert alert_of(const VrrpNotice& notice);
// An event of `config`.
MailAlert alert_of(const VirtualServerConfig& config, const QuorumEvent& event);

// The message as DATA takes it (RFC 5322), dots not yet doubled. `from` is complete; `when` in
// local time.
std::string message_of(const MailAlert& alert, const MailConfig& mail, std::string_view from,
                       std::string_view router_id, const std::tm& when);

}  // namespace xlb
