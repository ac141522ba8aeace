#include "director/mail_alerts.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <utility>

#include "base/log.h"

namespace xlb {
namespace {

template <typename Item>
std::optional<bool> alert_called(const std::vector<Item>& items, const std::string& name) {
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const Item& item) { return item.name == name; });
  return found == items.end() ? std::nullopt : found->smtp_alert;
}

const VirtualServerConfig* find(const Config& config, const ServiceKey& key) {
  const auto& servers = config.virtual_servers;
  const auto found =
      std::find_if(servers.begin(), servers.end(),
                   [&](const VirtualServerConfig& server) { return server.key == key; });
  return found == servers.end() ? nullptr : &*found;
}

bool is_wanted(const VirtualServerConfig& server, const QuorumEvent& event) {
  if (!event.real_server) return server.smtp_alert.value_or(false);
  const auto& real_servers = server.real_servers;
  const auto found = std::find_if(
      real_servers.begin(), real_servers.end(),
      [&](const RealServerConfig& item) { return item.endpoint == *event.real_server; });
  return found != real_servers.end() && found->smtp_alert.value_or(false);
}

bool sends_mail(const MailConfig& mail) {
  return !mail.recipients.empty() && !mail.server.empty();
}

}  // namespace

void MailAlerts::tell(const Config& config, const VrrpNotice& notice) {
  static constexpr std::array<std::string_view, 4> kStates = {"MASTER", "BACKUP", "FAULT", "STOP"};
  if (std::find(kStates.begin(), kStates.end(), notice.state) == kStates.end()) return;
  std::string& told = told_[(notice.group ? "group " : "instance ") + notice.name];
  if (told == notice.state) return;
  told = notice.state;
  const std::optional<bool> wanted = notice.group
                                         ? alert_called(config.track.groups, notice.name)
                                         : alert_called(config.vrrp_instances, notice.name);
  const bool hushed = notice.state == "FAULT" && !config.global.mail.faults;
  if (wanted.value_or(false) && !hushed) send(config.global, alert_of(notice));
}

void MailAlerts::tell(const Config& config, const ServiceKey& service, const QuorumEvent& event) {
  if (!sends_mail(config.global.mail)) return;
  const VirtualServerConfig* const server = find(config, service);
  if (server == nullptr || !is_wanted(*server, event)) return;
  send(config.global, alert_of(*server, event));
}

void MailAlerts::send(const GlobalSettings& global, const MailAlert& alert) {
  const MailConfig& mail = global.mail;
  if (!sends_mail(mail)) return;
  const std::string host = mail_host_name();
  const std::string from = mail.from.empty() ? "keepalived@" + host : mail.from;
  const std::time_t now = std::time(nullptr);
  std::tm when{};
  ::localtime_r(&now, &when);
  const std::string& router_id = global.router_id.empty() ? host : global.router_id;
  const auto done = [subject = alert.subject, server = mail.server](const Result<void>& sent) {
    if (sent) {
      log::info("mail '{}' was sent", subject);
    } else {
      log::warning("mail '{}' cannot be sent by {}: {}", subject, server, sent.error().text);
    }
  };
  const bool queued =
      sender_.send({mail, from, message_of(alert, mail, from, router_id, when)}, done);
  if (!queued && !std::exchange(loss_told_, true)) {
    log::warning("mail '{}' is not sent: {} others wait for {}", alert.subject,
                 MailSender::kMostWaiting, mail.server);
  }
  if (queued) loss_told_ = false;
}

}  // namespace xlb
