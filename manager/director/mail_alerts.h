// Who is told by mail: what happens to virtual routers, groups, virtual and real servers whose
// smtp_alert is on.
#pragma once

#include <map>
#include <string>

#include "core/config.h"
#include "core/mail_alert.h"
#include "core/notify_line.h"
#include "io/mail_sender.h"

namespace xlb {

class MailAlerts {
 public:
  explicit MailAlerts(EventLoop& loop) : sender_(loop) {}

  // States that were told of already, and what is not a state, are passed over.
  void tell(const Config& config, const VrrpNotice& notice);
  void tell(const Config& config, const ServiceKey& service, const QuorumEvent& event);
  [[nodiscard]] bool idle() const { return sender_.idle(); }

 private:
  void send(const GlobalSettings& global, const MailAlert& alert);

  std::map<std::string, std::string> told_;  // states of instances and groups
  bool loss_told_ = false;
  MailSender sender_;
};

}  // namespace xlb
