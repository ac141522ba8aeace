#include "director/link_delays.h"

#include <algorithm>
#include <utility>

namespace xlb {

void LinkDelays::configure(const std::vector<LinkDelay>& delays) {
  auto before = std::exchange(delayed_, {});
  for (const LinkDelay& config : delays) {
    Delayed& delayed = delayed_[config.interface];
    if (const auto found = before.find(config.interface); found != before.end()) {
      delayed = std::move(found->second);
    } else {
      delayed.timer = loop_.timer(EventLoop::Urgency::normal,
                                  [this, name = config.interface] { expired(name); });
    }
    delayed.config = config;
  }
  look([](const std::string&) { return Duration::max(); });
}

void LinkDelays::look(const std::function<Duration(const std::string& interface)>& at_most) {
  for (auto& [interface, delayed] : delayed_)
    look(delayed, at_most(interface));
}

void LinkDelays::look(Delayed& delayed, Duration at_most) {
  const auto link = netlink_.link(delayed.config.interface);
  const bool is_up = link && link->up;
  const Duration delay =
      is_up ? Duration(delayed.config.up) : std::min(Duration(delayed.config.down), at_most);
  const bool first = !std::exchange(delayed.known, true);
  if (is_up == delayed.counts) return delayed.timer.disarm();
  if (first || !link || delay.count() <= 0) {
    delayed.counts = is_up;
    return delayed.timer.disarm();
  }
  if (!delayed.timer.armed()) delayed.timer.arm(loop_.now() + delay);
}

void LinkDelays::expired(const std::string& interface) {
  Delayed& delayed = delayed_.at(interface);
  delayed.counts = !delayed.counts;
  due_();
}

bool LinkDelays::up(const Link& link) const {
  const auto found = delayed_.find(link.name);
  return found == delayed_.end() ? link.up : found->second.counts;
}

}  // namespace xlb
