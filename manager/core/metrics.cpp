#include "core/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <iterator>
#include <utility>
#include <vector>

#include "core/clean_text.h"

namespace xlb {
namespace {

using Label = std::pair<std::string_view, std::string_view>;

std::string escaped(std::string_view value) {
  std::string result;
  for (const char c : clean_text(value)) {
    if (c == '\\' || c == '"') result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result;
}

// `a="1",b="2"`: a label set without its braces.
std::string labels(std::initializer_list<Label> pairs) {
  std::string result;
  for (const auto& [name, value] : pairs) {
    fmt::format_to(std::back_inserter(result), "{}{}=\"{}\"", result.empty() ? "" : ",", name,
                   escaped(value));
  }
  return result;
}

// Writes metric families one after the other: all samples of a family stand together.
class Families {
 public:
  void gauge(std::string_view name, std::string_view help) { begin(name, "gauge", help); }
  void counter(std::string_view name, std::string_view help) {
    begin(name, "counter", help);
    suffix_ = "_total";
  }
  void info(std::string_view name, std::string_view help) {
    begin(name, "info", help);
    suffix_ = "_info";
  }
  void summary(std::string_view name, std::string_view help) { begin(name, "summary", help); }
  // What is in one of several states: a sample for each, 1 where it is.
  void states(std::string_view name, std::string_view help,
              std::initializer_list<std::string_view> all) {
    begin(name, "stateset", help);
    states_.assign(all);
  }

  template <typename Value>
  void sample(std::string_view label_set, Value value) {
    fmt::format_to(std::back_inserter(text_), "{}{}", name_, suffix_);
    if (!label_set.empty()) fmt::format_to(std::back_inserter(text_), "{{{}}}", label_set);
    fmt::format_to(std::back_inserter(text_), " {}\n", value);
  }
  void state(std::string_view label_set, std::string_view state) {
    for (const std::string_view each : states_) {
      sample(fmt::format("{},{}=\"{}\"", label_set, name_, each), each == state ? 1 : 0);
    }
  }

  std::string take_text() {
    text_ += "# EOF\n";
    return std::move(text_);
  }

 private:
  void begin(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    suffix_ = {};
    states_.clear();
    auto out = std::back_inserter(text_);
    fmt::format_to(out, "# TYPE {} {}\n", name, type);
    // A unit is the name's last word.
    for (const std::string_view unit : {"bytes", "seconds"}) {
      if (name.size() <= unit.size() || name.substr(name.size() - unit.size()) != unit) continue;
      fmt::format_to(out, "# UNIT {} {}\n", name, unit);
    }
    fmt::format_to(out, "# HELP {} {}\n", name, help);
  }

  std::string text_;
  std::string_view name_;
  std::string_view suffix_;
  std::vector<std::string_view> states_;
};

void write_daemon(Families& out, const Status& status) {
  out.info("xlb_build", "The running xlbd.");
  out.sample(labels({{"version", status.version}}), 1);
  out.gauge("xlb_ready", "1: the data plane is attached and the configuration applied.");
  out.sample("", status.ready ? 1 : 0);
  out.gauge("xlb_warnings", "What xlb cannot do or had to ignore; in words in /v1/status.");
  out.sample("", status.warnings.size());
  out.summary("xlb_loop_lag_seconds", "How late the event loop served its deadlines.");
  out.sample("quantile=\"0.5\"", status.loop.median_lag_ms / 1000);
  out.sample("quantile=\"0.99\"", status.loop.p99_lag_ms / 1000);
  out.sample("quantile=\"1\"", status.loop.max_lag_ms / 1000);
}

void write_dataplane(Families& out, const Status& status) {
  out.states("xlb_interface_mode", "How the interface's traffic is taken.",
             {"native", "generic", "nat", "none"});
  for (const auto& interface : status.dataplane)
    out.state(labels({{"interface", interface.name}}), interface.mode);
  out.counter("xlb_packets", "Packets the XDP program saw, by what became of them.");
  for (const auto& drop : status.drops)
    out.sample(labels({{"reason", drop.reason}}), drop.packets);

  const auto each_table = [&](std::optional<uint64_t> Status::Table::*number) {
    for (const auto& table : status.tables) {
      if (table.*number) out.sample(labels({{"map", table.name}}), *(table.*number));
    }
  };
  out.gauge("xlb_map_entries", "Entries in use in a table of the data plane.");
  each_table(&Status::Table::used);
  out.gauge("xlb_map_max_entries", "Entries the table has room for.");
  each_table(&Status::Table::size);
  out.gauge("xlb_map_memory_bytes", "Memory of the kernel that the table takes.");
  each_table(&Status::Table::memory_bytes);
}

void write_vrrp(Families& out, const Status& status) {
  const auto each = [&](auto value_of) {
    for (const auto& vrrp : status.vrrp)
      out.sample(labels({{"instance", vrrp.instance}}), value_of(vrrp));
  };
  out.states("xlb_vrrp_state", "State of the virtual router.", {"MASTER", "BACKUP", "FAULT"});
  for (const auto& vrrp : status.vrrp)
    out.state(labels({{"instance", vrrp.instance}}), vrrp.state);
  out.gauge("xlb_vrrp_priority", "Priority it speaks with.");
  each([](auto& vrrp) { return vrrp.effective_priority; });
  out.gauge("xlb_vrrp_state_since_timestamp_seconds", "When it entered its state.");
  each([](auto& vrrp) {
    using std::chrono::milliseconds;
    const auto since = std::chrono::floor<milliseconds>(vrrp.since.time_since_epoch());
    return static_cast<double>(since.count()) / 1000;
  });
  out.counter("xlb_vrrp_transitions", "Changes of state.");
  each([](auto& vrrp) { return vrrp.transitions; });
  out.counter("xlb_vrrp_adverts_sent", "Advertisements sent.");
  each([](auto& vrrp) { return vrrp.adverts_sent; });
  out.counter("xlb_vrrp_adverts_received", "Valid advertisements received.");
  each([](auto& vrrp) { return vrrp.adverts_received; });
  out.counter("xlb_vrrp_adverts_late", "Advertisements sent over half an interval too late.");
  each([](auto& vrrp) { return vrrp.adverts_late; });
  out.counter("xlb_vrrp_alarms", "Valid advertisements that should not exist, by what is wrong.");
  for (const auto& vrrp : status.vrrp) {
    for (const auto& alarm : vrrp.alarms) {
      out.sample(labels({{"instance", vrrp.instance}, {"alarm", alarm.reason}}), alarm.count);
    }
  }
  out.counter("xlb_vrrp_adverts_refused", "Advertisements refused, by reason.");
  for (const auto& vrrp : status.vrrp) {
    for (const auto& refused : vrrp.refused) {
      out.sample(labels({{"instance", vrrp.instance}, {"reason", refused.reason}}), refused.count);
    }
  }
}

std::string labels_of(const ServiceKey& key) {
  if (key.mark != 0) {
    return labels({{"address", key.address.to_string()},
                   {"port", "0"},
                   {"protocol", "FWM"},
                   {"fwmark", std::to_string(key.mark)}});
  }
  return labels({{"address", key.address.to_string()},
                 {"port", std::to_string(key.port)},
                 {"protocol", name_of(key.protocol)}});
}

void write_virtual_servers(Families& out, const Status& status) {
  std::vector<std::string> label_sets;
  for (const auto& service : status.virtual_servers)
    label_sets.push_back(labels_of(service.key));
  const auto each = [&](auto value_of) {
    for (size_t i = 0; i < label_sets.size(); ++i)
      out.sample(label_sets[i], value_of(status.virtual_servers[i]));
  };
  out.states("xlb_virtual_server_state", "up: some real server takes traffic; sorry: its deputy.",
             {"up", "down", "sorry"});
  for (size_t i = 0; i < label_sets.size(); ++i)
    out.state(label_sets[i], status.virtual_servers[i].state);
  out.gauge("xlb_virtual_server_quorum_met", "1: enough weight is alive.");
  each([](auto& service) { return service.quorum.met ? 1 : 0; });
  out.gauge("xlb_virtual_server_live_weight", "Weight of all live real servers.");
  each([](auto& service) { return service.quorum.weight; });
  out.counter("xlb_virtual_server_packets", "Packets that matched.");
  each([](auto& service) { return service.traffic.packets; });
  out.counter("xlb_virtual_server_bytes", "Bytes of these IP packets.");
  each([](auto& service) { return service.traffic.bytes; });
  out.counter("xlb_virtual_server_connections", "Connections given to a real server.");
  each([](auto& service) { return service.traffic.connections; });
}

// One real server, or the sorry server in use, of one virtual server.
struct RealServerRow {
  std::string label_set;
  const Status::RealServer* server;
};

std::vector<RealServerRow> real_server_rows(const Status& status) {
  std::vector<RealServerRow> rows;
  for (const auto& service : status.virtual_servers) {
    const std::string of_service = labels_of(service.key);
    const auto add = [&](const Status::RealServer& server) {
      rows.push_back(
          {of_service + "," + labels({{"real_server", server.endpoint.to_string()}}), &server});
    };
    for (const auto& server : service.real_servers)
      add(server);
    if (service.sorry_server) add(*service.sorry_server);
  }
  return rows;
}

int64_t failing_checks(const Status::RealServer& server) {
  return std::count_if(server.checks.begin(), server.checks.end(),
                       [](const auto& check) { return !check.up; });
}

void write_real_servers(Families& out, const Status& status) {
  const auto rows = real_server_rows(status);
  const auto each = [&](auto value_of) {
    for (const auto& row : rows)
      out.sample(row.label_set, value_of(*row.server));
  };
  out.states("xlb_real_server_state", "draining: keeps its connections, gets no new ones.",
             {"up", "down", "draining"});
  for (const auto& row : rows)
    out.state(row.label_set, row.server->state);
  out.gauge("xlb_real_server_weight", "Weight in force.");
  each([](auto& server) { return server.weight; });
  out.gauge("xlb_real_server_checks", "Its health checks.");
  each([](auto& server) { return server.checks.size(); });
  out.gauge("xlb_real_server_checks_failing", "Those that hold it to be down.");
  each([](auto& server) { return failing_checks(server); });
  out.gauge("xlb_real_server_active_connections", "TCP, established.");
  each([](auto& server) { return server.active_connections; });
  out.gauge("xlb_real_server_inactive_connections", "Every other connection remembered.");
  each([](auto& server) { return server.inactive_connections; });
  out.gauge("xlb_real_server_persistent_clients", "Clients that would be sent here again.");
  each([](auto& server) { return server.persistent_clients; });
  out.counter("xlb_real_server_packets", "Packets sent to it.");
  each([](auto& server) { return server.traffic.packets; });
  out.counter("xlb_real_server_bytes", "Bytes of these IP packets.");
  each([](auto& server) { return server.traffic.bytes; });
  out.counter("xlb_real_server_connections", "Connections given to it.");
  each([](auto& server) { return server.traffic.connections; });
}

}  // namespace

std::string open_metrics(const Status& status) {
  Families out;
  write_daemon(out, status);
  write_dataplane(out, status);
  write_vrrp(out, status);
  write_virtual_servers(out, status);
  write_real_servers(out, status);
  return out.take_text();
}

}  // namespace xlb
