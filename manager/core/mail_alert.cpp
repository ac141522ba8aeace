#include "core/mail_alert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace xlb {
namespace {

// A header's value ends where the line does.
std::string one_line(std::string_view text) {
  std::string result(text);
  std::replace_if(
      result.begin(), result.end(),
      [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  return result;
}

// Not strftime: it would speak the locale's language.
std::string date_of(const std::tm& when) {
  static constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                            "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const long minutes_east = when.tm_gmtoff / 60;
  const long distance = std::abs(minutes_east);
  return fmt::format(
      "{}, {:02} {} {} {:02}:{:02}:{:02} {}{:02}{:02}", kDays.at(static_cast<size_t>(when.tm_wday)),
      when.tm_mday, kMonths.at(static_cast<size_t>(when.tm_mon)), when.tm_year + 1900, when.tm_hour,
      when.tm_min, when.tm_sec, minutes_east < 0 ? '-' : '+', distance / 60, distance % 60);
}

}  // namespace

MailAlert alert_of(const VrrpNotice& notice) {
  const std::string subject = fmt::format(
      "VRRP {} {} - {}", notice.group ? "Group" : "Instance", notice.name,
      notice.state == "STOP" ? "Stopping" : fmt::format("Entering {} state", notice.state));
  if (notice.group) {
    return {subject, fmt::format("=> All VRRP group instances are now in {} state <=",
                                 notice.state == "STOP" ? "STOP" : notice.state)};
  }
  return {subject, notice.state == "MASTER" ? "=> VRRP Instance is now owning VRRP VIPs <="
                                            : "=> VRRP Instance is no longer owning VRRP VIPs <="};
}

MailAlert alert_of(const VirtualServerConfig& config, const QuorumEvent& event) {
  using Kind = QuorumEvent::Kind;
  const bool up = event.kind == Kind::real_server_up || event.kind == Kind::gained;
  if (event.real_server) {
    return {fmt::format("Realserver {} of virtual server {} - {}",
                        notice_name(*event.real_server, config.key.protocol),
                        notice_name(config.key), up ? "UP" : "DOWN"),
            up ? "=> CHECK succeed on service <=" : "=> CHECK failed on service <="};
  }
  return {fmt::format("Virtualserver {} - {}", notice_name(config.key), up ? "UP" : "DOWN"),
          fmt::format("=> {} quorum: quorum {}, hysteresis {}, weight {} <=",
                      up ? "Gained" : "Lost", config.quorum, config.hysteresis, event.weight)};
}

std::string message_of(const MailAlert& alert, const MailConfig& mail, std::string_view from,
                       std::string_view router_id, const std::tm& when) {
  return fmt::format(
      "Date: {}\r\nFrom: {}\r\nSubject: [{}] {}\r\nX-Mailer: xlb\r\nTo: {}\r\n\r\n{}\r\n",
      date_of(when), from, one_line(router_id), one_line(alert.subject),
      fmt::join(mail.recipients, ", "), one_line(alert.text));
}

}  // namespace xlb
