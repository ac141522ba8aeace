#include "director/unknown_routers.h"

#include <chrono>
#include <optional>
#include <utility>

#include "base/log.h"

namespace xlb {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(500);
constexpr auto kLogInterval = std::chrono::seconds(10);
constexpr int kCallsAtOnce = 4;      // of VrrpSocket::receive()
constexpr size_t kNamesInALine = 8;  // of at most 255

}  // namespace

UnknownRouters::UnknownRouters(EventLoop& loop, const Netlink& netlink)
    : loop_(loop),
      netlink_(netlink),
      timer_(loop.timer(EventLoop::Urgency::normal, [this] { listen(); })) {}

void UnknownRouters::configure(const std::vector<VrrpInstanceConfig>& routers) {
  auto before = std::exchange(links_, {});
  for (const VrrpInstanceConfig& router : routers) {
    const bool unicast = !router.protocol.peers.empty();
    const Place place{router.interface, router.family,
                      unicast ? IpAddress() : router.protocol.group};
    if (const auto known = before.find(place); known != before.end()) {
      links_[place] = std::move(known->second);
      links_[place].ours.clear();
      before.erase(known);
    }
    links_[place];
  }
  // Who is not meant on one group may be on another of the same link.
  for (const VrrpInstanceConfig& router : routers) {
    for (auto& [place, link] : links_) {
      const auto& [interface, family, group] = place;
      if (interface == router.interface && family == router.family) {
        link.ours.insert(router.virtual_router_id);
      }
    }
  }
  if (links_.empty()) return timer_.disarm();
  if (!timer_.armed()) timer_.arm(loop_.now());
}

void UnknownRouters::listen() {
  timer_.arm(loop_.now() + kInterval);
  for (auto& [place, link] : links_)
    listen(place, link);
}

void UnknownRouters::open(const Place& place, Link& link) const {
  const auto& [interface, family, group] = place;
  const auto present = netlink_.link(interface);
  if (!present) return link.socket.reset();
  const auto index = static_cast<int>(present->index);
  if (link.socket && link.socket->options().interface_index == index) return;
  VrrpSocketOptions options;
  options.interface = interface;
  options.interface_index = index;
  options.family = family;
  options.group = group;
  auto socket = VrrpSocket::open(options);
  const std::string error = socket ? std::string() : socket.error().text;
  if (!error.empty() && error != link.error) log::warning("log_unknown_vrids: {}", error);
  link.error = error;
  link.socket = socket ? std::move(*socket) : nullptr;
}

void UnknownRouters::listen(const Place& place, Link& link) {
  open(place, link);
  if (!link.socket) return;
  const auto look = [&](const std::optional<vrrp::IpPacket>& packet) {
    if (!packet || packet->message.size() < 2) return;
    const int id = packet->message[1];
    if (id != 0 && !link.ours.contains(id)) link.heard[id] = packet->source;
  };
  for (int call = 0; call < kCallsAtOnce; ++call) {
    if (!link.socket->receive(look)) break;  // the router's own socket says why
  }
  say(place, link);
}

void UnknownRouters::say(const Place& place, Link& link) const {
  const TimePoint now = loop_.now();
  if (link.heard.empty() || now < link.next_line) return;
  link.next_line = now + kLogInterval;
  std::string names;
  size_t count = 0;
  for (const auto& [id, source] : link.heard) {
    if (++count > kNamesInALine) continue;
    names += fmt::format("{}{} by {}", names.empty() ? "" : ", ", id, source);
  }
  if (count > kNamesInALine) names += fmt::format(" and {} more", count - kNamesInALine);
  log::notice("{}: virtual routers that are not configured here are advertised: {}",
              std::get<0>(place), names);
  link.heard.clear();
}

}  // namespace xlb
