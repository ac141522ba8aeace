#include "core/config_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace xlb {

std::string_view name_of(CheckKind kind) {
  switch (kind) {
    case CheckKind::http_get:
      return "HTTP_GET";
    case CheckKind::ssl_get:
      return "SSL_GET";
    case CheckKind::tcp:
      return "TCP_CHECK";
    case CheckKind::smtp:
      return "SMTP_CHECK";
    case CheckKind::dns:
      return "DNS_CHECK";
    case CheckKind::udp:
      return "UDP_CHECK";
    case CheckKind::ping:
      return "PING_CHECK";
    case CheckKind::misc:
      return "MISC_CHECK";
    case CheckKind::file:
      return "FILE_CHECK";
  }
  return "";
}

std::string target_of(const CheckConfig& check) {
  if (const auto* misc = std::get_if<MiscCheck>(&check.own)) {
    return fmt::format("{}", fmt::join(misc->script.argv, " "));
  }
  if (const auto* file = std::get_if<FileCheck>(&check.own)) return file->name;
  if (check.kind == CheckKind::ping) return check.target.address.to_string();
  return check.target.to_string();
}

}  // namespace xlb
