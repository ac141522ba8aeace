// The listings that have a counterpart in ipvsadm, in its layout.
#include <fmt/format.h>

#include <cmath>

#include "show_format.h"
#include "show_text.h"

namespace xlb::show {
namespace {

std::string title(const Json& status) {
  return fmt::format("xlb {} (flow table {})\n", text(status, "version"),
                     number(status.at("flow_table"), "size"));
}

// Nine columns wide; from 100 million on in thousands, millions, ..., as ipvsadm prints them.
std::string large_number(uint64_t value) {
  constexpr uint64_t kMillion = 1'000'000;
  if (value < 100 * kMillion) return fmt::format("{:9}", value);
  if (value < 1'000 * kMillion) return fmt::format("{:8}K", value / 1'000);
  if (value < 100'000 * kMillion) return fmt::format("{:8}M", value / kMillion);
  if (value < 100'000'000 * kMillion) return fmt::format("{:8}G", value / (1'000 * kMillion));
  return fmt::format("{:8}T", value / (kMillion * kMillion));
}

// Nothing for a real server that works, so that its row is ipvsadm's.
std::string remark(const Json& real_server) {
  const std::string state = text(real_server, "state");
  if (state == "up") return real_server.contains("sorry") ? "  sorry server" : "";
  const std::string reason = text(real_server, "reason");
  if (state == "down" && !reason.empty()) return "  " + state + ": " + reason;
  return "  " + state;
}

std::string real_server_row(const Json& real_server) {
  return fmt::format("  -> {:<28} {:<7} {:<6} {:<10} {:<10}{}\n", endpoint(real_server, ""),
                     text(real_server, "forward"), number(real_server, "weight"),
                     number(real_server, "active_connections"),
                     number(real_server, "inactive_connections"), remark(real_server));
}

bool flag(const Json& object, const char* name) {
  return object.contains(name) && object.at(name) == true;
}

// As ipvsadm: a netmask for IPv4, a length for IPv6, nothing for single clients.
std::string mask(const Json& service) {
  if (!service.contains("persistence_prefix")) return "";
  const uint64_t bits = number(service, "persistence_prefix");
  const bool is_v4 = text(service, "address").find(':') == std::string::npos;
  if (bits >= (is_v4 ? 32U : 128U)) return "";
  if (!is_v4) return fmt::format(" mask {}", bits);
  const uint64_t ones = (uint64_t{0xffffffff} << (32 - bits)) & 0xffffffff;
  return fmt::format(" mask {}.{}.{}.{}", ones >> 24, (ones >> 16) & 0xff, (ones >> 8) & 0xff,
                     ones & 0xff);
}

// OutPkts and OutBytes are 0: replies do not come back through the director.
std::string stats_row(std::string_view name, const Json& object) {
  return fmt::format("{:<33}{}{}{}{}{}\n", name, large_number(number(object, "connections")),
                     large_number(number(object, "packets")), large_number(0),
                     large_number(number(object, "bytes")), large_number(0));
}

// OutPPS and OutBPS are 0 for the same reason.
std::string rate_row(std::string_view name, const Json& object) {
  const Json& rates = object.at("rates");
  const auto whole = [&](const char* rate) {
    return large_number(static_cast<uint64_t>(std::llround(rates.at(rate).get<double>())));
  };
  return fmt::format("{:<33}{}{}{}{}{}\n", name, whole("connections_per_s"), whole("packets_per_s"),
                     large_number(0), whole("bytes_per_s"), large_number(0));
}

// A row for each virtual server and each of its real servers.
template <typename Row>
std::string rows(const Json& status, Row row) {
  std::string result;
  for (const Json& service : status.at("virtual_servers")) {
    result +=
        row(fmt::format("{:<4} {}", text(service, "protocol"), service_name(service)), service);
    for (const Json& real_server : servers_of(service))
      result += row("  -> " + endpoint(real_server, ""), real_server);
  }
  return result;
}

std::string expiry(const Json& item) {
  const uint64_t seconds = number(item, "expires_in_s");
  return fmt::format("{:02}:{:02}", seconds / 60, seconds % 60);
}

}  // namespace

std::string services_table(const Json& status) {
  std::string result = title(status);
  result += "Prot LocalAddress:Port Scheduler Flags\n";
  result += "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n";
  for (const Json& service : status.at("virtual_servers")) {
    result += fmt::format("{:<4} {} {}", text(service, "protocol"), service_name(service),
                          text(service, "scheduler"));
    if (flag(service, "hash_port")) result += fmt::format(" ({}-port)", text(service, "scheduler"));
    if (number(service, "persistence_timeout_s") > 0) {
      result += fmt::format(" persistent {}", number(service, "persistence_timeout_s"));
      result += mask(service);
    }
    if (flag(service, "one_packet")) result += " ops";
    result += '\n';
    for (const Json& real_server : servers_of(service)) {
      result += real_server_row(real_server);
    }
  }
  return result;
}

std::string stats_table(const Json& status) {
  return title(status) +
         "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n"
         "  -> RemoteAddress:Port\n" +
         rows(status, stats_row);
}

std::string rate_table(const Json& status) {
  return title(status) +
         "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n"
         "  -> RemoteAddress:Port\n" +
         rows(status, rate_row);
}

std::string connections_header() {
  return "xlb connection entries\n"
         "pro expire state       source             virtual            destination\n";
}

std::string connection_row(const Json& connection) {
  return fmt::format("{:<3} {}  {:<11} {:<18} {:<18} {}\n", text(connection, "protocol"),
                     expiry(connection), text(connection, "state"), endpoint(connection, "client_"),
                     endpoint(connection, "virtual_"), endpoint(connection, "real_"));
}

std::string persistence_header() {
  return "xlb persistent clients\n"
         "pro expire client             virtual            destination\n";
}

std::string persistence_row(const Json& client) {
  return fmt::format("{:<3} {}  {:<18} {:<18} {}{}\n", text(client, "protocol"), expiry(client),
                     text(client, "client_address"), endpoint(client, "virtual_"),
                     endpoint(client, "real_"), client.at("live") == true ? "  connected" : "");
}

}  // namespace xlb::show
