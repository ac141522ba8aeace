// The words of virtual_server that say how connections are spread, and how long a client stays.
#include <fmt/format.h>

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <string_view>

#include "core/config_parse_lvs.h"

namespace xlb::parse {
namespace {

using std::chrono::seconds;

// Those of IPVS that are known by name alone come last.
constexpr std::string_view kSchedulers[] = {"rr",  "wrr", "lc",   "wlc",   "sh", "mh",  "dh",
                                            "sed", "nq",  "lblc", "lblcr", "fo", "ovf", "twos"};
constexpr size_t kSupported = 9;

bool hashes(Scheduler scheduler) {
  return scheduler == Scheduler::sh || scheduler == Scheduler::mh;
}

// The flags' first two letters name their scheduler, if they are not numbered.
void finish_flags(Sections& sections, VirtualServerDraft& draft) {
  const Scheduler scheduler = draft.config.scheduler;
  for (const Word& flag : draft.scheduler_flags) {
    const bool fits = hashes(scheduler) &&
                      (flag.text.starts_with("flag-") || flag.text.starts_with(name_of(scheduler)));
    if (!fits) {
      sections.problems.warning(flag.spot, fmt::format("`{}` has no effect with scheduler {}",
                                                       flag.text, name_of(scheduler)));
    } else if (flag.text.ends_with("-port") || flag.text == "flag-2") {
      draft.config.hash_port = true;
    }
    // Fallback from a real server that takes nothing is what always happens.
  }
}

// A netmask's ones, if nothing but zeros follows them.
std::optional<uint8_t> bits_of_mask(const IpAddress& mask) {
  const uint32_t bits = ntohl(mask.v4_network_order());
  const int ones = std::countl_one(bits);
  if (ones != std::popcount(bits) || ones == 0) return std::nullopt;
  return static_cast<uint8_t>(ones);
}

void finish_granularity(Sections& sections, VirtualServerDraft& draft) {
  if (!draft.granularity) return;
  const Word& word = *draft.granularity;
  const bool is_v4 = draft.config.key.address.is_v4();
  const auto mask = IpAddress::parse(word.text);
  if (mask && mask->is_v4() && is_v4) {
    const auto bits = bits_of_mask(*mask);
    if (!bits) {
      return sections.problems.error(word.spot,
                                     fmt::format("{} is not a netmask", quoted(word.text)),
                                     "persistence_granularity 255.255.255.0");
    }
    draft.config.persistence_prefix = *bits;
  } else if (const auto bits =
                 sections.values.number(word, "persistence_granularity", {1, is_v4 ? 32U : 128U})) {
    draft.config.persistence_prefix = static_cast<uint8_t>(*bits);
  }
  if (!draft.config.persistence_timeout) {
    sections.problems.warning(word.spot,
                              "persistence_granularity has no effect without persistence_timeout");
  }
}

}  // namespace

void read_scheduler(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  draft.has_scheduler = true;
  const Word* word = arguments.take("a scheduler, such as wrr");
  if (word == nullptr) return;
  const auto scheduler = sections.values.choice(*word, "scheduler", kSchedulers);
  if (!scheduler) return;
  if (*scheduler < kSupported) {
    draft.config.scheduler = static_cast<Scheduler>(*scheduler);
    return;
  }
  draft.config.scheduler = Scheduler::wlc;
  sections.problems.warning(
      word->spot, fmt::format("scheduler `{}` is not supported: wlc is used", word->text));
}

void read_scheduler_flag(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.scheduler_flags.push_back(none.keyword());
}

void read_one_packet(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  const Arguments none(line, sections.problems);
  draft.config.one_packet = true;
  draft.one_packet_spot = line.spot;
}

void read_persistence_timeout(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take_if_any();
  if (word == nullptr) {
    draft.config.persistence_timeout = kPersistenceWithoutValue;
    return;
  }
  if (word->text == "0") {
    draft.config.persistence_timeout.reset();
    sections.problems.warning(word->spot, "persistence_timeout 0 is taken for no persistence",
                              "leave the line out");
    return;
  }
  const auto timeout = sections.values.number(*word, "persistence_timeout",
                                              {1, static_cast<uint64_t>(kLongestTime.count())});
  if (timeout) draft.config.persistence_timeout = seconds(*timeout);
}

void read_persistence_granularity(Sections& sections, VirtualServerDraft& draft, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a netmask, or for IPv6 the length of a prefix")) {
    draft.granularity = *word;
  }
}

namespace {

// What is balanced in a way that nobody chose.
void say_defaults(Problems& problems, const VirtualServerDraft& draft) {
  if (!draft.valid || draft.real_servers.empty()) return;
  if (!draft.has_scheduler) {
    problems.warning(draft.head, "no lvs_sched: wlc is used, as keepalived does", "lvs_sched wlc");
  }
  const bool said = std::all_of(draft.real_servers.begin(), draft.real_servers.end(),
                                [](const auto& real) { return real.method.has_value(); });
  if (!draft.method && !said) {
    problems.warning(draft.head, "no lvs_method: NAT is used, as keepalived does",
                     "lvs_method NAT");
  }
}

}  // namespace

void finish_scheduling(Sections& sections, VirtualServerDraft& draft) {
  say_defaults(sections.problems, draft);
  finish_flags(sections, draft);
  if (draft.valid) finish_granularity(sections, draft);
  if (draft.config.one_packet && draft.config.key.protocol != Protocol::udp) {
    draft.config.one_packet = false;
    sections.problems.warning(draft.one_packet_spot, "`ops` has no effect: it is for protocol UDP");
  }
}

}  // namespace xlb::parse
