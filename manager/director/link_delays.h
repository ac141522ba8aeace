// interface_up_down_delays: whether an interface counts as up, which lags behind what the kernel
// says by the configured time. It decides nothing about who heeds that.
//
// What an interface is at the first look counts at once. One that disappears is down at once; when
// it is there again it counts as up after its delay.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/config_network.h"
#include "io/event_loop.h"
#include "io/netlink.h"

namespace xlb {

class LinkDelays {
 public:
  // `due` is told when something counts otherwise than before, without a change of the picture.
  LinkDelays(EventLoop& loop, const Netlink& netlink, std::function<void()> due)
      : loop_(loop), netlink_(netlink), due_(std::move(due)) {}
  LinkDelays(const LinkDelays&) = delete;
  LinkDelays& operator=(const LinkDelays&) = delete;

  void configure(const std::vector<LinkDelay>& delays);
  // To be called when the picture changed, before anybody asks up(). `at_most` bounds the delay of
  // an interface that went down.
  void look(const std::function<Duration(const std::string& interface)>& at_most);
  [[nodiscard]] bool up(const Link& link) const;

 private:
  struct Delayed {
    LinkDelay config;
    bool known = false;  // looked at
    bool counts = false;
    EventLoop::Timer timer;  // armed: it is otherwise now
  };

  void look(Delayed& delayed, Duration at_most);
  void expired(const std::string& interface);

  EventLoop& loop_;
  const Netlink& netlink_;
  std::function<void()> due_;
  std::map<std::string, Delayed> delayed_;
};

}  // namespace xlb
