#include "core/config_parse.h"

#include "core/config_parse_block.h"
#include "core/config_parse_sections.h"
#include "core/config_parse_source.h"

namespace xlb {

std::string_view name_of(CheckKind kind) {
  switch (kind) {
    case CheckKind::http_get:
      return "HTTP_GET";
    case CheckKind::ssl_get:
      return "SSL_GET";
    case CheckKind::tcp:
      return "TCP_CHECK";
  }
  return "";
}

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
    {BlockKind::virtual_server, read_virtual_server},
};

void read_all(Sections& sections) {
  sections.blocks.read_top_level([&](const Line& line, const Keyword& keyword) {
    for (const TopLevelReader& reader : kTopLevel) {
      if (reader.opens == keyword.opens) reader.read(sections, line);
    }
  });
  finish_vrrp_instances(sections);
  finish_virtual_servers(sections);
}

}  // namespace
}  // namespace parse

ParseOutcome parse_config(const std::string& path, SourceReader& reader,
                          const ParseOptions& options) {
  parse::SourceCache cache(reader);
  parse::BraceBalance balance;
  {
    parse::Problems unheard;
    parse::StatementSource source(path, cache, unheard);
    balance = parse::balance_of(source);
  }
  parse::Problems problems;
  parse::StatementSource source(path, cache, problems);
  parse::BlockReader blocks(source, problems, options, balance);
  parse::Sections sections(blocks, problems);
  parse::read_all(sections);

  ParseOutcome outcome;
  const Config& config = sections.config;
  if (!problems.has_errors() && config.vrrp_instances.empty() && config.virtual_servers.empty()) {
    problems.warning(Spot{0, 1, 1, 0}, "there is no vrrp_instance and no virtual_server");
  }
  if (!problems.has_errors()) outcome.config = std::move(sections.config);
  outcome.diagnostics = problems.take_in_order();
  return outcome;
}

}  // namespace xlb
