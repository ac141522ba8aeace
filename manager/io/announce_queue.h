// Announcements in order, no faster than the configured spacing of each interface lets them: what
// cannot go at once waits here, on the loop's timer. It must not know why anything is announced.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/config_address.h"
#include "io/address_announce.h"
#include "io/event_loop.h"

namespace xlb {

struct Announcement {
  const void* owner = nullptr;  // whose; for cancel()
  std::string interface;        // whose spacing holds: of a macvlan the one below it
  int ifindex = 0;
  MacAddress mac;
  IpAddress address;
};

class AnnounceQueue {
 public:
  // `failed` is told what could not be sent.
  AnnounceQueue(EventLoop& loop, Announcer& announcer, std::function<void(const Error&)> failed);
  AnnounceQueue(const AnnounceQueue&) = delete;
  AnnounceQueue& operator=(const AnnounceQueue&) = delete;

  // What waits goes on waiting under the new spacing.
  void configure(const AnnounceSpacing& otherwise, const std::vector<AnnounceGroup>& groups);
  void add(Announcement announcement);
  void cancel(const void* owner);
  [[nodiscard]] bool has(const void* owner) const;

 private:
  // One for each shared spacing: a group's number, or an interface's name, and the IP version.
  struct Lane {
    std::chrono::microseconds spacing{0};
    TimePoint free_at{};
    std::deque<Announcement> waiting;
  };

  Lane& lane_of(const Announcement& announcement);
  void send(const Announcement& announcement);
  void drain();
  void rearm();

  EventLoop& loop_;
  Announcer& announcer_;
  std::function<void(const Error&)> failed_;
  AnnounceSpacing otherwise_;
  std::vector<AnnounceGroup> groups_;
  std::map<std::string, Lane> lanes_;
  EventLoop::Timer timer_;
};

}  // namespace xlb
