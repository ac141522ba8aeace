// Status as JSON. The member names are a contract (docs/status.md): added to, never renamed.
#include "core/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace xlb {
namespace {

using Json = nlohmann::ordered_json;

template <typename Items, typename Convert>
Json array_of(const Items& items, Convert convert) {
  Json result = Json::array();
  for (const auto& item : items)
    result.push_back(convert(item));
  return result;
}

void add_traffic(Json& object, const Traffic& traffic) {
  object["packets"] = traffic.packets;
  object["bytes"] = traffic.bytes;
  object["connections"] = traffic.connections;
}

// To a hundredth: the rest is noise.
double rounded(double rate) {
  return std::round(rate * 100) / 100;
}

Json json_of(const Rates& rates) {
  return Json{{"connections_per_s", rounded(rates.connections_per_s)},
              {"packets_per_s", rounded(rates.packets_per_s)},
              {"bytes_per_s", rounded(rates.bytes_per_s)}};
}

Json json_of(const Status::Interface& interface) {
  return Json{
      {"interface", interface.name}, {"mode", interface.mode}, {"reason", interface.reason}};
}

Json or_null(const std::optional<uint64_t>& number) {
  return number ? Json(*number) : Json(nullptr);
}

Json json_of(const Status::Table& table) {
  return Json{{"name", table.name},
              {"used", or_null(table.used)},
              {"size", or_null(table.size)},
              {"memory_bytes", or_null(table.memory_bytes)}};
}

Json json_of(const Status::Tracker& tracker) {
  Json result;
  result["kind"] = tracker.kind;
  result["name"] = tracker.name;
  result["state"] = tracker.state;
  if (tracker.kind == "file") result["value"] = tracker.value;
  result["weight"] = tracker.weight;
  result["reverse"] = tracker.reverse;
  result["priority_change"] = tracker.priority_change;
  result["fault"] = tracker.fault;
  result["result"] = tracker.result;
  return result;
}

Json json_of(const Status::NotifyFifo& fifo) {
  return Json{{"word", fifo.word}, {"path", fifo.path}, {"lines", fifo.lines}, {"lost", fifo.lost}};
}

Json json_of(const Status::Vrrp& vrrp) {
  Json result;
  result["instance"] = vrrp.instance;
  result["state"] = vrrp.state;
  result["reason"] = vrrp.reason;
  result["priority"] = vrrp.priority;
  result["effective_priority"] = vrrp.effective_priority;
  result["virtual_router_id"] = vrrp.virtual_router_id;
  result["interface"] = vrrp.interface;
  result["family"] = vrrp.family;
  result["mode"] = vrrp.mode;
  result["peers"] = array_of(vrrp.peers, [](auto& text) { return text; });
  result["version"] = vrrp.version;
  result["advert_interval_s"] = vrrp.advert_interval_s;
  result["virtual_addresses"] = array_of(vrrp.virtual_addresses, [](auto& text) { return text; });
  result["master_address"] = vrrp.master_address;
  result["since"] = rfc3339(vrrp.since);
  result["transitions"] = vrrp.transitions;
  result["sync_group"] = vrrp.sync_group;
  result["trackers"] = array_of(vrrp.trackers, [](auto& item) { return json_of(item); });
  result["adverts_sent"] = vrrp.adverts_sent;
  result["adverts_received"] = vrrp.adverts_received;
  const auto counted = [](const Status::Refusals& refusals) {
    return Json{{"reason", refusals.reason}, {"count", refusals.count}};
  };
  result["adverts_late"] = vrrp.adverts_late;
  result["adverts_refused"] = array_of(vrrp.refused, counted);
  result["alarms"] = array_of(vrrp.alarms, counted);
  return result;
}

Json json_of(const Status::Check& check) {
  Json result;
  result["kind"] = check.kind;
  result["target"] = check.target;
  result["up"] = check.up;
  result["consecutive_failures"] = check.consecutive_failures;
  result["result"] = check.result;
  result["attempts"] = check.attempts;
  result["suspended"] = check.suspended;
  result["last_at"] = check.last_at ? Json(rfc3339(*check.last_at)) : Json(nullptr);
  return result;
}

Json json_of(const Status::RealServer& real_server) {
  Json result;
  result["address"] = real_server.endpoint.address.to_string();
  result["port"] = real_server.endpoint.port;
  result["forward"] = real_server.forward;
  result["weight"] = real_server.weight;
  result["configured_weight"] = real_server.configured_weight;
  result["state"] = real_server.state;
  result["reason"] = real_server.reason;
  result["mac"] = real_server.mac;
  result["active_connections"] = real_server.active_connections;
  result["inactive_connections"] = real_server.inactive_connections;
  result["persistent_clients"] = real_server.persistent_clients;
  add_traffic(result, real_server.traffic);
  result["rates"] = json_of(real_server.rates);
  result["checks"] = array_of(real_server.checks, [](auto& check) { return json_of(check); });
  return result;
}

// ipvsadm's word for a service by mark.
std::string_view protocol_of(const ServiceKey& key) {
  return key.mark != 0 ? "FWM" : name_of(key.protocol);
}

// Without its real servers, and what follows them.
Json head_of(const Status::VirtualServer& virtual_server) {
  Json result;
  result["address"] = virtual_server.key.address.to_string();
  result["port"] = virtual_server.key.port;
  result["protocol"] = protocol_of(virtual_server.key);
  result["fwmark"] = virtual_server.key.mark;
  result["group"] = virtual_server.group;
  result["scheduler"] = virtual_server.scheduler;
  result["forwarding"] = virtual_server.forwarding;
  result["hash_port"] = virtual_server.hash_port;
  result["one_packet"] = virtual_server.one_packet;
  result["persistence_timeout_s"] = virtual_server.persistence_timeout_s.value_or(0);
  result["persistence_prefix"] = virtual_server.persistence_prefix;
  result["state"] = virtual_server.state;
  const Status::Quorum& quorum = virtual_server.quorum;
  result["quorum"] = Json{{"needed", quorum.needed},
                          {"hysteresis", quorum.hysteresis},
                          {"weight", quorum.weight},
                          {"met", quorum.met}};
  add_traffic(result, virtual_server.traffic);
  result["rates"] = json_of(virtual_server.rates);
  return result;
}

void add_tail(Json& object, const Status::VirtualServer& virtual_server) {
  const auto& sorry = virtual_server.sorry_server;
  object["sorry_server"] = sorry ? json_of(*sorry) : Json(nullptr);
}

Json json_of(const Status::VirtualServer& virtual_server) {
  Json result = head_of(virtual_server);
  result["real_servers"] =
      array_of(virtual_server.real_servers, [](auto& server) { return json_of(server); });
  add_tail(result, virtual_server);
  return result;
}

// Of the document, without its virtual servers, and what follows them.
Json head_of(const Status& status) {
  Json document;
  document["version"] = status.version;
  document["generated_at"] = rfc3339(status.generated_at);
  document["ready"] = status.ready;
  document["not_ready_reason"] = status.not_ready_reason;
  document["warnings"] = array_of(status.warnings, [](auto& text) { return text; });
  document["flow_table"] = Json{{"size", status.flow_table_size}, {"flows", status.flows}};
  document["dataplane"] = array_of(status.dataplane, [](auto& item) { return json_of(item); });
  document["vrrp"] = array_of(status.vrrp, [](auto& item) { return json_of(item); });
  return document;
}

void add_tail(Json& document, const Status& status) {
  document["notify_fifos"] =
      array_of(status.notify_fifos, [](auto& item) { return json_of(item); });
  document["drops"] = array_of(status.drops, [](const Status::Drop& drop) {
    return Json{{"reason", drop.reason}, {"packets", drop.packets}};
  });
  document["maps"] = array_of(status.tables, [](auto& table) { return json_of(table); });
  document["loop"] = Json{{"max_lag_ms", status.loop.max_lag_ms},
                          {"median_lag_ms", status.loop.median_lag_ms},
                          {"p99_lag_ms", status.loop.p99_lag_ms}};
}

std::string text_of(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// An object's text, to be gone on with; and its members', to go on with.
std::string opened(const Json& object) {
  std::string text = text_of(object);
  text.pop_back();
  return text;
}
std::string members_of(const Json& object) {
  return text_of(object).substr(1);
}

// As it stands `level` levels deep in a pretty document. A JSON text has no newline but those
// between members.
std::string pretty_text_of(const Json& value, size_t level) {
  std::string result;
  for (const char character : text_of(value, 2)) {
    result += character;
    if (character == '\n') result.append(2 * level, ' ');
  }
  return result;
}

// As opened() and members_of().
std::string pretty_opened(const Json& object, size_t level) {
  std::string text = pretty_text_of(object, level);
  text.resize(text.size() - 2 * level - 2);  // the last newline, its spaces, the brace
  return text;
}
std::string pretty_members_of(const Json& object, size_t level) {
  return pretty_text_of(object, level).substr(1);
}

template <typename Items, typename Append>
void append_pretty_array(std::string& out, const Items& items, size_t level, Append append) {
  if (items.empty()) {
    out += "[]";
    return;
  }
  char before = '[';
  for (const auto& item : items) {
    out += std::exchange(before, ',');
    out += '\n';
    out.append(2 * level + 2, ' ');
    append(item);
  }
  out += '\n';
  out.append(2 * level, ' ');
  out += ']';
}

void append_pretty(std::string& out, const Status::VirtualServer& service) {
  out += pretty_opened(head_of(service), 2) + ",\n      \"real_servers\": ";
  append_pretty_array(out, service.real_servers, 3, [&](const Status::RealServer& real_server) {
    out += pretty_text_of(json_of(real_server), 4);
  });
  Json tail = Json::object();
  add_tail(tail, service);
  out += "," + pretty_members_of(tail, 2);
}

// Virtual server by virtual server: a document of all would take ten times the memory of its text.
std::string pretty_json(const Status& status) {
  std::string out = pretty_opened(head_of(status), 0) + ",\n  \"virtual_servers\": ";
  append_pretty_array(out, status.virtual_servers, 1,
                      [&](const auto& service) { append_pretty(out, service); });
  Json tail = Json::object();
  add_tail(tail, status);
  return out + "," + pretty_members_of(tail, 0) + "\n";
}

}  // namespace

std::string to_json(const Status& status, JsonStyle style) {
  if (style == JsonStyle::pretty) return pretty_json(status);
  Json document = head_of(status);
  document["virtual_servers"] =
      array_of(status.virtual_servers, [](auto& item) { return json_of(item); });
  add_tail(document, status);
  return text_of(document) + "\n";
}

bool StatusDocument::next(std::string& out) {
  if (!std::exchange(begun_, true)) {
    out += opened(head_of(status_)) + ",\"virtual_servers\":[";
    return true;
  }
  if (service_ < status_.virtual_servers.size()) return next_real_servers(out);
  Json tail = Json::object();
  add_tail(tail, status_);
  out += "]," + members_of(tail) + "\n";
  return false;
}

bool StatusDocument::next_real_servers(std::string& out) {
  constexpr size_t kAtOnce = 50;
  const Status::VirtualServer& service = status_.virtual_servers[service_];
  const auto& servers = service.real_servers;
  if (real_server_ == 0) {
    if (service_ > 0) out += ',';
    out += opened(head_of(service)) + ",\"real_servers\":[";
  }
  const size_t end = std::min(servers.size(), real_server_ + kAtOnce);
  for (; real_server_ < end; ++real_server_) {
    if (real_server_ > 0) out += ',';
    out += text_of(json_of(servers[real_server_]));
  }
  if (end < servers.size()) return true;
  Json tail = Json::object();
  add_tail(tail, service);
  out += "]," + members_of(tail);
  ++service_;
  real_server_ = 0;
  return true;
}

std::string rfc3339(WallTime time) {
  using namespace std::chrono;
  const auto since_epoch = floor<milliseconds>(time);
  const auto day = floor<days>(since_epoch);
  const year_month_day date{day};
  const hh_mm_ss clock{since_epoch - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

}  // namespace xlb
