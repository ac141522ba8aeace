// The listings of xlb's own: columns as wide as their content, two spaces apart, the last one free.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "show_format.h"
#include "show_text.h"

namespace xlb::show {
namespace {

using Row = std::vector<std::string>;

// In columns: characters, not bytes.
size_t width_of(const std::string& cell) {
  return static_cast<size_t>(std::count_if(cell.begin(), cell.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

// `rows[0]` is the heading; every row has as many cells.
std::string table(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string result;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width_of(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  }
  return result;
}

std::string or_dash(const std::string& cell) {
  return cell.empty() ? "-" : cell;
}

Json headed(const Json& status) {
  return Json{{"version", status.at("version")}, {"generated_at", status.at("generated_at")}};
}

void copy(const Json& from, Json& to, std::initializer_list<const char*> names) {
  for (const char* name : names)
    to[name] = from.at(name);
}

// Virtual servers and their real servers, who they are and these members.
Json servers_document(const Json& status, std::initializer_list<const char*> members) {
  Json result = headed(status);
  Json& services = result["virtual_servers"] = Json::array();
  for (const Json& service : status.at("virtual_servers")) {
    Json item;
    copy(service, item, {"address", "port", "protocol"});
    copy(service, item, members);
    Json& real_servers = item["real_servers"] = Json::array();
    for (const Json& real_server : service.at("real_servers")) {
      Json own;
      copy(real_server, own, {"address", "port"});
      copy(real_server, own, members);
      real_servers.push_back(std::move(own));
    }
    services.push_back(std::move(item));
  }
  return result;
}

// "-" for what is not known.
std::string count_or_dash(const Json& number) {
  return number.is_null() ? "-" : std::to_string(number.get<uint64_t>());
}

// Half a mebibyte and more in mebibytes, so that a column is read at a glance.
std::string memory(const Json& bytes) {
  if (bytes.is_null()) return "-";
  const auto count = bytes.get<uint64_t>();
  if (count >= 1 << 19) return fmt::format("{:.1f} MiB", static_cast<double>(count) / (1 << 20));
  return fmt::format("{:.1f} KiB", static_cast<double>(count) / (1 << 10));
}

std::string joined(const Json& texts) {
  std::string result;
  for (const Json& item : texts) {
    if (!result.empty()) result += ' ';
    result += printable(item.get_ref<const std::string&>());
  }
  return result;
}

// "checksum 3, ttl 1"; empty: none.
std::string counted(const Json& reasons) {
  std::string result;
  for (const Json& refusal : reasons) {
    result += fmt::format("{}{} {}", result.empty() ? "" : ", ", text(refusal, "reason"),
                          number(refusal, "count"));
  }
  return result;
}

// "script chk: down (exited 1), weight -20: priority -20"
std::string tracker_remark(const Json& tracker) {
  const int64_t weight = tracker.at("weight");
  const int64_t change = tracker.at("priority_change");
  std::string result =
      fmt::format("{} {}: {} ({}), weight {}{}", text(tracker, "kind"), text(tracker, "name"),
                  text(tracker, "state"), text(tracker, "result"), weight,
                  tracker.at("reverse") == true ? " reverse" : "");
  if (change != 0) result += fmt::format(": priority {:+}", change);
  if (tracker.at("fault") == true) result += ": FAULT";
  return result;
}

std::string vrrp_remarks(const Json& vrrp) {
  std::string result;
  const auto remark = [&](std::string_view what, const std::string& value) {
    if (!value.empty()) result += fmt::format("{}: {}{}\n", text(vrrp, "instance"), what, value);
  };
  remark("", text(vrrp, "reason"));
  if (number(vrrp, "effective_priority") != number(vrrp, "priority")) {
    remark("configured priority: ", std::to_string(number(vrrp, "priority")));
  }
  remark("vrrp_sync_group ", text(vrrp, "sync_group"));
  for (const Json& tracker : vrrp.at("trackers"))
    remark("tracks ", tracker_remark(tracker));
  remark("peers: ", joined(vrrp.at("peers")));
  remark("advertisements refused: ", counted(vrrp.at("adverts_refused")));
  remark("alarms: ", counted(vrrp.at("alarms")));
  if (number(vrrp, "adverts_late") > 0) {
    remark("advertisements sent late: ", std::to_string(number(vrrp, "adverts_late")));
  }
  return result;
}

// A suspended check's verdict stays as it was.
std::string state_of_check(const Json& check) {
  const std::string verdict = check.at("up") == true ? "up" : "down";
  return check.at("suspended") == true ? verdict + " (suspended)" : verdict;
}

}  // namespace

std::string vrrp_table(const Json& status) {
  std::vector<Row> rows{{"Instance", "State", "Priority", "VRID", "Version", "Family", "Mode",
                         "Interface", "Master", "Transitions", "Since", "Addresses"}};
  std::string remarks;
  for (const Json& vrrp : status.at("vrrp")) {
    const std::string state = text(vrrp, "state");
    rows.push_back(
        {text(vrrp, "instance"), state, std::to_string(number(vrrp, "effective_priority")),
         std::to_string(number(vrrp, "virtual_router_id")), std::to_string(number(vrrp, "version")),
         text(vrrp, "family"), text(vrrp, "mode"), text(vrrp, "interface"),
         state == "MASTER" ? "self" : or_dash(text(vrrp, "master_address")),
         std::to_string(number(vrrp, "transitions")), text(vrrp, "since"),
         or_dash(joined(vrrp.at("virtual_addresses")))});
    remarks += vrrp_remarks(vrrp);
  }
  return table(rows) + remarks;
}

std::string checks_table(const Json& status) {
  std::vector<Row> rows{{"Prot", "VirtualServer", "RealServer", "Check", "Target", "State",
                         "Attempts", "Failures", "Result"}};
  const Json document = checks_document(status);
  for (const Json& check : document.at("checks")) {
    rows.push_back({text(check, "protocol"), endpoint(check, "virtual_"), endpoint(check, "real_"),
                    text(check, "kind"), text(check, "target"), state_of_check(check),
                    std::to_string(number(check, "attempts")),
                    std::to_string(number(check, "consecutive_failures")), text(check, "result")});
  }
  return table(rows);
}

std::string neighbours_table(const Json& status) {
  std::vector<Row> rows{{"Address", "MAC"}};
  const Json document = neighbours_document(status);
  for (const Json& neighbour : document.at("neighbours")) {
    const std::string mac = text(neighbour, "mac");
    rows.push_back({text(neighbour, "address"), mac.empty() ? text(neighbour, "state") : mac});
  }
  return table(rows);
}

std::string maps_table(const Json& status) {
  std::vector<Row> rows{{"Table", "Used", "Size", "Memory"}};
  for (const Json& map : status.at("maps")) {
    rows.push_back({text(map, "name"), count_or_dash(map.at("used")), count_or_dash(map.at("size")),
                    memory(map.at("memory_bytes"))});
  }
  return table(rows);
}

std::string drops_table(const Json& status) {
  std::vector<Row> rows{{"Reason", "Packets"}};
  for (const Json& drop : status.at("drops")) {
    rows.push_back({text(drop, "reason"), std::to_string(number(drop, "packets"))});
  }
  return table(rows);
}

Json stats_document(const Json& status) {
  return servers_document(status, {"packets", "bytes", "connections"});
}

Json rate_document(const Json& status) {
  return servers_document(status, {"rates"});
}

Json vrrp_document(const Json& status) {
  Json result = headed(status);
  result["vrrp"] = status.at("vrrp");
  return result;
}

Json checks_document(const Json& status) {
  Json result = headed(status);
  Json& checks = result["checks"] = Json::array();
  for (const Json& service : status.at("virtual_servers")) {
    for (const Json& real_server : service.at("real_servers")) {
      for (const Json& check : real_server.at("checks")) {
        Json item{{"protocol", service.at("protocol")},
                  {"virtual_address", service.at("address")},
                  {"virtual_port", service.at("port")},
                  {"real_address", real_server.at("address")},
                  {"real_port", real_server.at("port")}};
        item.update(check);
        checks.push_back(std::move(item));
      }
    }
  }
  return result;
}

Json neighbours_document(const Json& status) {
  Json result = headed(status);
  Json& neighbours = result["neighbours"] = Json::array();
  std::set<std::string> seen;
  for (const Json& service : status.at("virtual_servers")) {
    for (const Json& real_server : servers_of(service)) {
      if (!seen.insert(real_server.at("address").get<std::string>()).second) continue;
      const bool local = real_server.at("forward") == "Local";
      const bool resolved = !real_server.at("mac").get_ref<const std::string&>().empty();
      neighbours.push_back({{"address", real_server.at("address")},
                            {"mac", real_server.at("mac")},
                            {"state", local      ? "local"
                                      : resolved ? "resolved"
                                                 : "unresolved"}});
    }
  }
  return result;
}

Json maps_document(const Json& status) {
  Json result = headed(status);
  result["maps"] = status.at("maps");
  return result;
}

Json drops_document(const Json& status) {
  Json result = headed(status);
  result["drops"] = status.at("drops");
  return result;
}

}  // namespace xlb::show
