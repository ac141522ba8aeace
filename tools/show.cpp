#include "show.h"

#include <fmt/format.h>

#include <cstdio>

#include "core/keywords.h"
#include "io/control_client.h"
#include "show_format.h"
#include "show_text.h"

namespace {

using namespace xlb;
using show::Json;

// A view of the daemon's status document.
struct StatusView {
  const char* name;
  const char* summary;
  std::string (*table)(const Json& status);
  Json (*document)(const Json& status);  // nullptr: the whole
};

// A listing that the daemon streams.
struct ItemView {
  const char* name;  // also the control command and the document's array
  const char* summary;
  std::string (*header)();
  std::string (*row)(const Json& item);
};

const StatusView kServices{"", "virtual and real servers, as ipvsadm -L -n", show::services_table,
                           nullptr};
const StatusView kStatusViews[] = {
    {"stats", "connections, packets and bytes, as ipvsadm -L -n --stats", show::stats_table,
     show::stats_document},
    {"rate", "the same in a second, over the last seconds, as ipvsadm -L -n --rate",
     show::rate_table, show::rate_document},
    {"vrrp", "virtual routers and who is master", show::vrrp_table, show::vrrp_document},
    {"checks", "health checks and their last results", show::checks_table, show::checks_document},
    {"neighbours", "real servers' MAC addresses", show::neighbours_table,
     show::neighbours_document},
    {"maps", "the data plane's tables: how full, how large", show::maps_table, show::maps_document},
    {"drops", "packets by the reason they were not forwarded", show::drops_table,
     show::drops_document},
};
const ItemView kItemViews[] = {
    {"connections", "the flow table, as ipvsadm -L -n -c", show::connections_header,
     show::connection_row},
    {"persistence", "persistent clients and their real servers", show::persistence_header,
     show::persistence_row},
};

void print(const std::string& text) {
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
}

// A full disk or a closed pipe must not look like success.
int flushed(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  return complain(kFailed, "cannot write to the standard output");
}

std::string dump(const Json& document, int indent) {
  return document.dump(indent, ' ', false, Json::error_handler_t::replace);
}

ControlAnswer ask(const GlobalOptions& options, const char* command,
                  const std::function<void(std::string_view)>& on_line) {
  return control_request(options.run_directory + "/control", {command, {}}, on_line);
}

int explain(const ControlAnswer& answer) {
  int status = kFailed;
  if (answer.outcome == ControlAnswer::Outcome::unreachable) status = kUnreachable;
  if (answer.outcome == ControlAnswer::Outcome::refused) status = answer.failure.exit_status;
  return complain(status, answer.failure.error, answer.failure.hint);
}

int show_status(const GlobalOptions& options, const StatusView& view) {
  std::string line;
  const auto answer =
      ask(options, "status", [&](std::string_view received) { line.append(received); });
  if (answer.outcome != ControlAnswer::Outcome::answered) return explain(answer);
  const Json status = Json::parse(line);
  if (options.json) {
    print(dump(view.document == nullptr ? status : view.document(status), 2) + "\n");
  } else {
    print(view.table(status));
  }
  if (&view != &kServices || status.at("ready") == true) return flushed(kOk);
  (void)std::fflush(stdout);
  return flushed(complain(
      kDegraded, "xlbd is not ready: " + status.at("not_ready_reason").get<std::string>()));
}

int show_items(const GlobalOptions& options, const ItemView& view) {
  size_t count = 0;
  const auto begin = [&] {
    print(options.json ? fmt::format("{{\n  \"{}\": [", view.name) : view.header());
  };
  const auto answer = ask(options, view.name, [&](std::string_view line) {
    if (count++ == 0) begin();
    const Json item = Json::parse(line);
    print(options.json ? (count == 1 ? "\n    " : ",\n    ") + dump(item, -1) : view.row(item));
  });
  if (answer.outcome != ControlAnswer::Outcome::answered) return flushed(explain(answer));
  if (count == 0) begin();
  if (options.json) print(count == 0 ? "]\n}\n" : "\n  ]\n}\n");
  return flushed(kOk);
}

}  // namespace

std::string show_help() {
  std::string result = fmt::format("  {:<18} {}\n", "show", kServices.summary);
  for (const auto& view : kStatusViews) {
    result += fmt::format("  show {:<13} {}\n", view.name, view.summary);
  }
  for (const auto& view : kItemViews) {
    result += fmt::format("  show {:<13} {}\n", view.name, view.summary);
  }
  return result;
}

int show(const GlobalOptions& options, const std::vector<std::string>& arguments) {
  if (arguments.empty()) return show_status(options, kServices);
  if (arguments.size() > 1) {
    return complain(
        kUsage, fmt::format("cannot understand \"{}\" after show {}", arguments[1], arguments[0]));
  }
  std::vector<std::string_view> names;
  for (const auto& view : kStatusViews) {
    if (arguments[0] == view.name) return show_status(options, view);
    names.emplace_back(view.name);
  }
  for (const auto& view : kItemViews) {
    if (arguments[0] == view.name) return show_items(options, view);
    names.emplace_back(view.name);
  }
  std::string hint = did_you_mean(arguments[0], names);
  if (hint.empty()) hint = fmt::format("show knows {}", fmt::join(names, ", "));
  return complain(kUsage, fmt::format("cannot show \"{}\": no such listing", arguments[0]), hint);
}

int complain(int status, const std::string& error, const std::string& hint) {
  fmt::print(stderr, "error: {}\n", show::printable(error));
  if (!hint.empty()) fmt::print(stderr, "hint: {}\n", show::printable(hint));
  return status;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string_view>& candidates) {
  const std::string_view found = nearest(word, candidates);
  return found.empty() ? "" : fmt::format("did you mean \"{}\"?", found);
}
