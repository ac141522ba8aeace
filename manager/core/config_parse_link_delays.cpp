// interface_up_down_delays: how long a link must be down, or up, before virtual routers heed it.
#include <fmt/format.h>

#include <algorithm>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

using std::chrono::microseconds;

constexpr microseconds kMostDelay{255'000'000};

LinkDelay* delay_of(Sections& sections, const std::string& interface) {
  auto& delays = sections.config.network.link_delays;
  const auto found = std::find_if(delays.begin(), delays.end(), [&](const LinkDelay& delay) {
    return delay.interface == interface;
  });
  return found == delays.end() ? nullptr : &*found;
}

// NAME DOWN [UP]; without UP none, whatever keepalived's manual says.
void read_link_delay(Sections& sections, const Line& line) {
  auto name = sections.values.interface_name(line.words[0], "interface_up_down_delays");
  Arguments arguments(line, sections.problems);
  const Word* const down_word = arguments.take("a number of seconds");
  if (!name || down_word == nullptr) return arguments.ignore_rest();
  const auto seconds = [&](const Word& word) {
    return sections.values.time(word, "interface_up_down_delays", microseconds(0), kMostDelay);
  };
  const auto down = seconds(*down_word);
  const Word* const up_word = arguments.take_if_any();
  const auto up = up_word == nullptr ? microseconds(0) : seconds(*up_word);
  if (!down || !up) return;
  if (LinkDelay* const earlier = delay_of(sections, *name)) {
    sections.problems.warning(line.spot,
                              fmt::format("{} stands here a second time: this counts", *name));
    earlier->down = *down;
    earlier->up = *up;
    return;
  }
  sections.config.network.link_delays.push_back({std::move(*name), *down, *up});
  sections.link_delay_spots.push_back(line.spot);
}

// While a router does not hear its master for a link that is down and does not count as down yet,
// it must not take over.
void bound_by(Sections& sections, const VrrpInstanceConfig& router) {
  LinkDelay* const delay = delay_of(sections, router.interface);
  if (delay == nullptr) return;
  const int spare = router.protocol.down_timer_adverts - 1;
  const microseconds limit = spare * microseconds(router.advert_interval);
  const microseconds most = std::max(delay->down, delay->up);
  if (most.count() == 0 || most < limit) return;
  const auto index = static_cast<size_t>(delay - sections.config.network.link_delays.data());
  const microseconds bounded =
      spare > 0 ? limit - microseconds(router.advert_interval) / 256 : microseconds(0);
  sections.problems.warning(
      sections.link_delay_spots[index],
      fmt::format("{}: the backup {} would become master for a link that is down before it counts "
                  "as down: the delays are bounded to {} s",
                  router.interface, router.name, seconds_text(bounded)),
      spare > 0 ? fmt::format("less than {} s", seconds_text(limit))
                : std::string("down_timer_adverts of 2 or more"));
  delay->down = std::min(delay->down, bounded);
  delay->up = std::min(delay->up, bounded);
}

}  // namespace

void read_link_delays(Sections& sections, const Line& head) {
  { const Arguments none(head, sections.problems); }
  sections.blocks.read_lines(BlockKind::lines, head,
                             [&](const Line& line) { read_link_delay(sections, line); });
}

void finish_link_delays(Sections& sections) {
  for (const VrrpInstanceConfig& router : sections.config.vrrp_instances)
    bound_by(sections, router);
}

}  // namespace xlb::parse
