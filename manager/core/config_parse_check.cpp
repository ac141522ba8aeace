// What all checks have in common: where they connect to and leave from, their times, and what they
// inherit from virtual_server and real_server.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/config_parse_check.h"

namespace xlb::parse {
namespace {

using std::chrono::microseconds;

constexpr uint64_t kMostRetries = 1'000'000;
constexpr size_t kLongestHost = 253;
constexpr microseconds kHttpDelayBeforeRetry{3'000'000};
constexpr int kDnsRetry = 3;

std::optional<microseconds> read_time(Sections& sections, const Line& line, microseconds least) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return std::nullopt;
  return sections.values.time(*word, arguments.keyword().text, least, kLongestTime);
}

void read_connect_ip(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("an address")) {
    draft.connect_ip = sections.values.ip_of_host(*word, "connect_ip");
  }
}

void read_connect_port(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a port")) {
    draft.connect_port = sections.values.port(*word, "connect_port");
  }
}

void read_bindto(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("an address of this host");
  if (word == nullptr) return;
  draft.config.source.address = sections.values.ip_of_host(*word, "bindto");
  draft.source_spot = word->spot;
}

void read_bind_port(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a port");
  if (word == nullptr) return;
  if (const auto port = sections.values.port(*word, "bind_port")) draft.config.source.port = *port;
}

void read_bind_if(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("an interface");
  if (word == nullptr) return;
  if (const auto name = sections.values.interface_name(*word, "bind_if")) {
    draft.config.source.interface = *name;
  }
}

void read_fwmark(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number");
  if (word == nullptr) return;
  const auto mark = sections.values.number(*word, "fwmark", {0, UINT32_MAX});
  if (mark) draft.config.source.mark = static_cast<uint32_t>(*mark);
}

void read_log_all(Sections& sections, CheckDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.config.log_all_failures = sections.values.flag(arguments).value_or(false);
}

void read_default(Sections& sections, CheckDraft& draft, const Line& line) {
  read_check_default(sections, draft.own, line);
}

void read_nb_get_retry(Sections& sections, CheckDraft& draft, const Line& line) {
  const bool http =
      draft.config.kind == CheckKind::http_get || draft.config.kind == CheckKind::ssl_get;
  sections.blocks.warn_once(
      line.spot,
      http ? std::string("`nb_get_retry` is an old name of `retry`")
           : fmt::format("`nb_get_retry` is not {}'s: it is taken for retry, which keepalived "
                         "would leave at its default",
                         name_of(draft.config.kind)));
  read_default(sections, draft, line);
}

constexpr WordReader<CheckDraft> kConnectingWords[] = {
    {"connect_ip", read_connect_ip},
    {"connect_port", read_connect_port},
    {"bindto", read_bindto},
    {"bind_port", read_bind_port},
    {"bind_if", read_bind_if},
    {"fwmark", read_fwmark},
    {"delay_loop", read_default},
    {"connect_timeout", read_default},
    {"delay_before_retry", read_default},
    {"retry", read_default},
    {"nb_get_retry", read_nb_get_retry},
    {"alpha", read_default},
    {"warmup", read_default},
    {"log_all_failures", read_log_all},
};

struct CheckBlock {
  CheckKind kind;
  BlockKind block;
  CheckWords (*words)();  // beside the connecting ones; nullptr: none
};
constexpr CheckBlock kBlocks[] = {
    {CheckKind::http_get, BlockKind::http_get, http_words},
    {CheckKind::ssl_get, BlockKind::http_get, http_words},
    {CheckKind::tcp, BlockKind::tcp_check, nullptr},
    {CheckKind::smtp, BlockKind::smtp_check, smtp_words},
    {CheckKind::dns, BlockKind::dns_check, dns_words},
    {CheckKind::udp, BlockKind::udp_check, udp_words},
    {CheckKind::ping, BlockKind::ping_check, nullptr},
    {CheckKind::misc, BlockKind::misc_check, misc_words},
    {CheckKind::file, BlockKind::file_check, file_words},
};

const CheckBlock& block_of(CheckKind kind) {
  return *std::find_if(std::begin(kBlocks), std::end(kBlocks),
                       [kind](const CheckBlock& block) { return block.kind == kind; });
}

// The table says which words stand in a block; what one does is the same wherever it stands.
void read_words(Sections& sections, const CheckBlock& block, const Line& head, CheckDraft& draft) {
  const CheckWords more = block.words == nullptr ? CheckWords() : block.words();
  read_section<CheckDraft>(sections, block.block, head, draft, kConnectingWords, {more});
}

void prepare(CheckConfig& config) {
  if (config.kind == CheckKind::smtp) config.own = SmtpCheck{};
  if (config.kind == CheckKind::dns) config.own = DnsCheck{};
  if (config.kind == CheckKind::udp) config.own = UdpCheck{};
  if (config.kind == CheckKind::misc) config.own = MiscCheck{};
  if (config.kind == CheckKind::file) config.own = FileCheck{};
}

bool is_http(CheckKind kind) {
  return kind == CheckKind::http_get || kind == CheckKind::ssl_get;
}

void check_block(Sections& sections, CheckDraft& draft) {
  if (is_http(draft.config.kind)) check_http_block(sections, draft);
  if (draft.config.kind == CheckKind::udp) check_udp_block(sections, draft);
  if (draft.config.kind == CheckKind::misc) check_misc_block(sections, draft);
  if (draft.config.kind == CheckKind::file) check_file_block(sections, draft);
}

template <typename T>
void inherit(std::optional<T>& value, const std::optional<T>& outer) {
  if (!value) value = outer;
}

CheckDefaults with_outer(CheckDefaults own, std::span<const CheckDefaults* const> outer) {
  for (const CheckDefaults* block : outer) {
    inherit(own.delay_loop, block->delay_loop);
    inherit(own.connect_timeout, block->connect_timeout);
    inherit(own.delay_before_retry, block->delay_before_retry);
    inherit(own.retry, block->retry);
    inherit(own.alpha, block->alpha);
    inherit(own.warmup, block->warmup);
    inherit(own.virtual_host, block->virtual_host);
  }
  return own;
}

CheckTiming timing_of(CheckKind kind, const CheckDefaults& given) {
  CheckTiming timing;
  timing.delay_loop = given.delay_loop.value_or(timing.delay_loop);
  if (is_http(kind)) timing.delay_before_retry = kHttpDelayBeforeRetry;
  if (kind == CheckKind::dns) {
    timing.retry = kDnsRetry;
    timing.delay_before_retry = timing.delay_loop;
  }
  if (kind == CheckKind::misc) timing.retry = 0;
  if (kind == CheckKind::file) {
    timing.retry = 0;
    return timing;  // the file says all at once
  }
  timing.connect_timeout = given.connect_timeout.value_or(timing.connect_timeout);
  timing.delay_before_retry = given.delay_before_retry.value_or(timing.delay_before_retry);
  timing.retry = given.retry.value_or(timing.retry);
  timing.alpha = given.alpha.value_or(timing.alpha);
  timing.warmup = given.warmup.value_or(timing.warmup);
  return timing;
}

void finish_target(Sections& sections, CheckDraft& draft, const Endpoint& real_server) {
  CheckConfig& config = draft.config;
  if (config.kind == CheckKind::misc || config.kind == CheckKind::file) return;
  config.target = {draft.connect_ip.value_or(real_server.address),
                   draft.connect_port.value_or(real_server.port)};
  if (config.kind == CheckKind::ping) config.target.port = 0;
  if (config.target.port == 0 && config.kind != CheckKind::ping) {
    sections.problems.error(draft.head, "a real server of any port needs a port to be checked at",
                            "connect_port 80");
  }
  const auto& source = config.source.address;
  if (source && source->family() != config.target.address.family()) {
    sections.problems.error(
        draft.source_spot,
        fmt::format("bindto {} and what is checked, {}, are of different families", *source,
                    config.target.address));
  }
}

}  // namespace

CheckWords connecting_words() {
  return kConnectingWords;
}

std::optional<std::string> read_host(Sections& sections, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a host name");
  if (word == nullptr) return std::nullopt;
  const bool sendable = !word->text.empty() && word->text.size() <= kLongestHost &&
                        std::all_of(word->text.begin(), word->text.end(), [](char c) {
                          return static_cast<unsigned char>(c) > ' ' && c < '\x7f';
                        });
  if (sendable) return word->text;
  sections.problems.error(word->spot, fmt::format("{} is not a host name", quoted(word->text)),
                          fmt::format("{} www.example.org", arguments.keyword().text));
  return std::nullopt;
}

void read_check_default(Sections& sections, CheckDefaults& defaults, const Line& line) {
  const std::string& word = line.words[0].text;
  const auto time = [&](std::optional<microseconds>& value, int least_us) {
    if (const auto read = read_time(sections, line, microseconds(least_us))) value = read;
  };
  if (word == "delay_loop") {
    time(defaults.delay_loop, 1);
  } else if (word == "connect_timeout") {
    time(defaults.connect_timeout, 1);
  } else if (word == "delay_before_retry") {
    time(defaults.delay_before_retry, 0);
  } else if (word == "warmup") {
    time(defaults.warmup, 0);
  } else if (word == "alpha") {
    Arguments arguments(line, sections.problems);
    if (const auto value = sections.values.flag(arguments)) defaults.alpha = value;
  } else if (word == "virtualhost") {
    if (const auto host = read_host(sections, line)) defaults.virtual_host = host;
  } else {  // retry, nb_get_retry
    Arguments arguments(line, sections.problems);
    const Word* count = arguments.take("a number");
    if (count == nullptr) return;
    const auto value = sections.values.number(*count, word, {0, kMostRetries});
    if (value) defaults.retry = static_cast<int>(*value);
  }
}

void read_inherited(Sections& sections, CheckDefaults& defaults, const Line& line) {
  read_check_default(sections, defaults, line);
  if (line.words[0].text != "retry" || defaults.retry != 0) return;
  sections.problems.warning(
      line.spot, "retry 0 means what it says here; keepalived ignores it outside a check",
      "retry 0 in each check says the same to both");
}

void read_check(Sections& sections, CheckKind kind, const Line& head, CheckDraft& draft) {
  { const Arguments none(head, sections.problems); }
  draft.head = head.spot;
  draft.config.kind = kind;
  draft.config.place = sections.problems.place_of(head.spot);
  prepare(draft.config);
  read_words(sections, block_of(kind), head, draft);
  check_block(sections, draft);
}

void finish_check(Sections& sections, CheckDraft& draft,
                  std::span<const CheckDefaults* const> outer, const Endpoint& real_server,
                  std::vector<CheckConfig>& checks) {
  draft.own = with_outer(std::move(draft.own), outer);
  for (CheckDraft& host : draft.hosts) {
    const CheckDefaults* const around[] = {&draft.own};
    if (!host.connect_ip) host.connect_ip = draft.connect_ip;
    if (!host.connect_port) host.connect_port = draft.connect_port;
    if (host.config.source == CheckSource{}) host.config.source = draft.config.source;
    host.config.own = draft.config.own;
    host.config.log_all_failures |= draft.config.log_all_failures;
    finish_check(sections, host, around, real_server, checks);
  }
  if (!draft.hosts.empty()) return;
  draft.config.timing = timing_of(draft.config.kind, draft.own);
  finish_target(sections, draft, real_server);
  if (is_http(draft.config.kind)) finish_http(sections, draft);
  checks.push_back(std::move(draft.config));
}

namespace {

void find_track_files(Sections& sections) {
  const auto& files = sections.config.track.files;
  std::vector<std::string_view> names;
  names.reserve(files.size());
  for (const TrackFileConfig& file : files)
    names.push_back(file.name);
  for (const Word& word : sections.file_check_names) {
    if (std::find(names.begin(), names.end(), word.text) != names.end()) continue;
    const std::string_view near = nearest(word.text, names);
    sections.problems.error(word.spot, fmt::format("there is no track_file {}", quoted(word.text)),
                            near.empty()
                                ? fmt::format("track_file {} {{ file /run/load }}", word.text)
                                : fmt::format("did you mean `{}`?", near));
  }
}

}  // namespace

void finish_checks(Sections& sections) {
  find_track_files(sections);
  for (VirtualServerConfig& service : sections.config.virtual_servers) {
    service.rs_init_notifies = sections.rs_init_notifies;
    for (RealServerConfig& real_server : service.real_servers) {
      for (CheckConfig& check : real_server.checks) {
        check.log_all_failures |= sections.log_all_failures;
        if (check.kind == CheckKind::ssl_get) check.tls = sections.tls_client;
        if (check.kind == CheckKind::file) finish_file_check(sections, check);
        if (auto* const smtp = std::get_if<SmtpCheck>(&check.own);
            smtp != nullptr && smtp->helo_name.empty()) {
          smtp->helo_name = sections.config.global.mail.helo_name;
        }
        auto* const misc = std::get_if<MiscCheck>(&check.own);
        if (misc == nullptr || !misc->script.user.empty()) continue;
        misc->script.user = sections.config.global.script_user;
        misc->script.group = sections.config.global.script_group;
      }
    }
  }
}

}  // namespace xlb::parse
