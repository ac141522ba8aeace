#include "core/status_page.h"

#include <fmt/format.h>

#include <cmath>
#include <initializer_list>
#include <iterator>
#include <optional>

#include "core/clean_text.h"

namespace xlb {
namespace {

constexpr std::string_view kHead =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>xlb</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta http-equiv=\"refresh\" content=\"5\">\n"
    "<style>\n"
    ":root{color-scheme:light dark}body{font:14px system-ui,sans-serif;margin:1.5em}\n"
    "h1{font-size:1.4em}h2{font-size:1.1em;margin:1.6em 0 .4em}\n"
    "table{border-collapse:collapse}th,td{padding:.2em .8em .2em 0;text-align:left;"
    "border-bottom:1px solid #8884;vertical-align:top}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums}.v{font-weight:600}\n"
    ".good{color:#0a7d3c}.bad{color:#d1242f}.fair{color:#b08800}\n"
    "</style></head><body>\n";

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : clean_text(text)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string_view colour_of(std::string_view state) {
  for (const std::string_view good : {"up", "MASTER", "native"}) {
    if (state == good) return "good";
  }
  for (const std::string_view bad : {"down", "FAULT", "none"}) {
    if (state == bad) return "bad";
  }
  return "fair";
}

// Cells: escaped text, a number, a state.
struct Cell {
  Cell(std::string_view text) : html(fmt::format("<td>{}</td>", escaped(text))) {}
  Cell(const std::string& text) : Cell(std::string_view(text)) {}
  Cell(uint64_t number) : html(fmt::format("<td class=\"n\">{}</td>", number)) {}
  Cell(std::optional<uint64_t> number)
      : html(number ? Cell(*number).html : "<td class=\"n\">–</td>") {}

  static Cell state(std::string_view state) {
    Cell cell{std::string_view()};
    cell.html = fmt::format("<td class=\"{}\">{}</td>", colour_of(state), escaped(state));
    return cell;
  }
  static Cell rate(double rate) { return static_cast<uint64_t>(std::llround(rate)); }

  std::string html;
};

class Page {
 public:
  Page() : text_(kHead) {}

  void heading(std::string_view text) {
    fmt::format_to(std::back_inserter(text_), "<h2>{}</h2>\n", text);
  }
  void paragraph(std::string_view style, std::string_view text) {
    fmt::format_to(std::back_inserter(text_), "<p class=\"{}\">{}</p>\n", style, escaped(text));
  }
  // Columns of numbers begin with '#'.
  void begin_table(std::initializer_list<std::string_view> columns) {
    text_ += "<table><tr>";
    for (const std::string_view column : columns) {
      const bool number = column.front() == '#';
      fmt::format_to(std::back_inserter(text_), "<th{}>{}</th>", number ? " class=\"n\"" : "",
                     number ? column.substr(1) : column);
    }
    text_ += "</tr>\n";
  }
  void row(std::initializer_list<Cell> cells, std::string_view style = {}) {
    text_ += style.empty() ? "<tr>" : fmt::format("<tr class=\"{}\">", style);
    for (const Cell& cell : cells)
      text_ += cell.html;
    text_ += "</tr>\n";
  }
  void end_table() { text_ += "</table>\n"; }
  void raw(std::string_view html) { text_ += html; }
  std::string take_text() {
    text_ += "</body></html>\n";
    return std::move(text_);
  }

 private:
  std::string text_;
};

void write_head(Page& page, const Status& status) {
  page.raw(fmt::format("<h1>xlb {} <span class=\"{}\">{}</span></h1>\n", escaped(status.version),
                       status.ready ? "good" : "bad", status.ready ? "ready" : "not ready"));
  page.paragraph("", fmt::format("As of {}.", rfc3339(status.generated_at)));
  if (!status.ready) page.paragraph("bad", status.not_ready_reason);
  for (const std::string& warning : status.warnings)
    page.paragraph("fair", warning);
}

void write_server(Page& page, const Status::RealServer& server, std::string_view remark) {
  page.row({"→ " + server.endpoint.to_string() + std::string(remark), server.forward,
            std::to_string(server.weight), Cell::state(server.state), server.active_connections,
            server.inactive_connections, Cell::rate(server.rates.connections_per_s),
            Cell::rate(server.rates.packets_per_s), Cell::rate(server.rates.bytes_per_s),
            server.traffic.connections, server.traffic.packets, server.traffic.bytes,
            server.reason});
}

void write_virtual_servers(Page& page, const Status& status) {
  if (status.virtual_servers.empty()) return;
  page.heading("Virtual servers");
  page.begin_table({"Server", "Forward", "Weight", "State", "#Active", "#Inactive", "#Conn/s",
                    "#Packets/s", "#Bytes/s", "#Connections", "#Packets", "#Bytes", "Reason"});
  for (const auto& service : status.virtual_servers) {
    uint64_t active = 0;
    uint64_t inactive = 0;
    for (const auto& server : service.real_servers) {
      active += server.active_connections;
      inactive += server.inactive_connections;
    }
    const auto persistence = service.persistence_timeout_s.value_or(0);
    page.row({service.key.to_string(), service.scheduler,
              persistence > 0 ? fmt::format("persistent {}", persistence) : std::string(),
              Cell::state(service.state), active, inactive,
              Cell::rate(service.rates.connections_per_s), Cell::rate(service.rates.packets_per_s),
              Cell::rate(service.rates.bytes_per_s), service.traffic.connections,
              service.traffic.packets, service.traffic.bytes, std::string_view()},
             "v");
    for (const auto& server : service.real_servers)
      write_server(page, server, "");
    if (service.sorry_server) write_server(page, *service.sorry_server, " (sorry server)");
  }
  page.end_table();
}

void write_vrrp(Page& page, const Status& status) {
  if (status.vrrp.empty()) return;
  page.heading("Virtual routers");
  page.begin_table({"Instance", "State", "#Priority", "#VRID", "Interface", "Addresses", "Master",
                    "Since", "#Transitions", "Reason"});
  for (const auto& vrrp : status.vrrp) {
    page.row({vrrp.instance, Cell::state(vrrp.state),
              static_cast<uint64_t>(vrrp.effective_priority),
              static_cast<uint64_t>(vrrp.virtual_router_id), vrrp.interface,
              fmt::format("{}", fmt::join(vrrp.virtual_addresses, " ")),
              vrrp.state == "MASTER" ? std::string("self") : vrrp.master_address,
              rfc3339(vrrp.since), vrrp.transitions, vrrp.reason});
  }
  page.end_table();
}

void write_dataplane(Page& page, const Status& status) {
  if (!status.dataplane.empty()) {
    page.heading("Interfaces");
    page.begin_table({"Interface", "Mode", "Reason"});
    for (const auto& interface : status.dataplane)
      page.row({interface.name, Cell::state(interface.mode), interface.reason});
    page.end_table();
  }
  if (!status.drops.empty()) {
    page.heading("Packets by what became of them");
    page.begin_table({"Reason", "#Packets"});
    for (const auto& drop : status.drops)
      page.row({drop.reason, drop.packets});
    page.end_table();
  }
  if (!status.tables.empty()) {
    page.heading("Tables");
    page.begin_table({"Table", "#Used", "#Size", "#Bytes"});
    for (const auto& table : status.tables)
      page.row({table.name, table.used, table.size, table.memory_bytes});
    page.end_table();
  }
}

}  // namespace

std::string status_page(const Status& status) {
  Page page;
  write_head(page, status);
  write_virtual_servers(page, status);
  write_vrrp(page, status);
  write_dataplane(page, status);
  return page.take_text();
}

}  // namespace xlb
