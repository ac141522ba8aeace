#include "core/config_parse.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/config_parse_block.h"
#include "core/config_parse_sections.h"
#include "core/config_parse_source.h"

namespace xlb {

namespace parse {
namespace {

struct TopLevelReader {
  BlockKind opens;
  void (*read)(Sections&, const Line&);
};
constexpr TopLevelReader kTopLevel[] = {
    {BlockKind::global_defs, read_global_defs},
    {BlockKind::xlb, read_xlb},
    {BlockKind::vrrp_instance, read_vrrp_instance},
    {BlockKind::vrrp_script, read_track_script},
    {BlockKind::vrrp_track_process, read_track_process},
    {BlockKind::track_file, read_track_file},
    {BlockKind::vrrp_sync_group, read_sync_group},
    {BlockKind::virtual_server_group, read_virtual_server_group},
    {BlockKind::virtual_server, read_virtual_server},
    {BlockKind::ssl, read_ssl},
    {BlockKind::static_addresses, read_static_addresses},
    {BlockKind::static_routes, read_static_routes},
    {BlockKind::static_rules, read_static_rules},
    {BlockKind::garp_group, read_garp_group},
};

void read_all(Sections& sections) {
  sections.blocks.read_top_level([&](const Line& line, const Keyword& keyword) {
    if (keyword.name == "net_namespace") return read_net_namespace(sections, line);
    if (keyword.name == "interface_up_down_delays") return read_link_delays(sections, line);
    for (const TopLevelReader& reader : kTopLevel) {
      if (reader.opens == keyword.opens) reader.read(sections, line);
    }
  });
  finish_static_network(sections);
  finish_vrrp_instances(sections);
  finish_link_delays(sections);
  finish_tracking(sections);
  finish_virtual_servers(sections);
  finish_mail(sections);
}

// Where each line of a file begins.
class LineIndex {
 public:
  explicit LineIndex(std::string_view text) : text_(text) {
    for (size_t at = 0; at != std::string_view::npos;) {
      begins_.push_back(at);
      at = text.find('\n', at);
      if (at != std::string_view::npos) ++at;
    }
  }
  // Counted from 1; empty when there is no such line.
  [[nodiscard]] std::string line(int number) const {
    if (number < 1 || static_cast<size_t>(number) > begins_.size()) return {};
    const size_t begin = begins_[static_cast<size_t>(number) - 1];
    return std::string(
        text_.substr(begin, std::min(text_.find('\n', begin), text_.size()) - begin));
  }

 private:
  std::string_view text_;
  std::vector<size_t> begins_;
};

void add_sources(std::vector<Diagnostic>& diagnostics, SourceCache& cache) {
  std::map<std::string, LineIndex> files;
  const auto line_at = [&](const Place& place) -> std::string {
    const auto& text = cache.read(place.file);
    if (!text.ok()) return {};
    return files.try_emplace(place.file, text.value()).first->second.line(place.line);
  };
  for (Diagnostic& diagnostic : diagnostics) {
    if (!diagnostic.source.empty()) continue;
    diagnostic.source = line_at(diagnostic.place);
    if (diagnostic.definition)
      diagnostic.definition->source = line_at(diagnostic.definition->place);
  }
}

// False, without an outcome: there are braces without a partner, and `balance` is not known.
bool read_once(const std::string& path, SourceReader& reader, SourceCache& cache,
               const ParseOptions& options, const std::optional<BraceBalance>& balance,
               ParseOutcome& outcome) {
  Problems problems;
  StatementSource source(path, cache, problems, options);
  BlockReader blocks(source, problems, options, balance.value_or(BraceBalance{}));
  Sections sections(blocks, problems);
  sections.network.names = RouteNames(reader);
  read_all(sections);
  if (!balance && blocks.met_imbalance()) return false;
  const Config& config = sections.config;
  if (!problems.has_errors() && config.vrrp_instances.empty() && config.virtual_servers.empty()) {
    problems.warning(Spot{0, 1, 1, 0, 0}, "there is no vrrp_instance and no virtual_server");
  }
  if (!problems.has_errors()) outcome.config = std::move(sections.config);
  outcome.diagnostics = problems.take_in_order();
  outcome.net_namespace = sections.net_namespace;
  outcome.text = blocks.record().take_text();
  outcome.statements = blocks.record().take_statements();
  return true;
}

BraceBalance count_braces(const std::string& path, SourceCache& cache,
                          const ParseOptions& options) {
  Problems unheard;
  StatementSource source(path, cache, unheard, options);
  return balance_of(source);
}

}  // namespace
}  // namespace parse

void add_sources(std::vector<Diagnostic>& diagnostics, SourceReader& reader) {
  parse::SourceCache cache(reader);
  parse::add_sources(diagnostics, cache);
}

ParseOutcome parse_config(const std::string& path, SourceReader& reader,
                          const ParseOptions& options) {
  parse::SourceCache cache(reader);
  ParseOutcome outcome;
  if (!parse::read_once(path, reader, cache, options, std::nullopt, outcome)) {
    const auto balance = parse::count_braces(path, cache, options);
    (void)parse::read_once(path, reader, cache, options, balance, outcome);
  }
  parse::add_sources(outcome.diagnostics, cache);
  return outcome;
}

}  // namespace xlb
