// A sync group's rules, first alone, then with the election of two hosts that share two links.
#include "core/vrrp_sync.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

namespace xlb::vrrp {
namespace {

using namespace std::chrono_literals;
using Kind = GroupOrder::Kind;

std::vector<GroupMember> members(State one, State two) {
  return {{"VI_1", one, false, false}, {"VI_2", two, false, false}};
}

std::string words(const std::vector<GroupOrder>& orders) {
  std::string result;
  for (const GroupOrder& order : orders) {
    static constexpr const char* kNames[] = {"take over", "stand down", "fault", "clear"};
    result += (result.empty() ? "" : ", ") + std::string(kNames[static_cast<size_t>(order.kind)]) +
              " " + std::to_string(order.member + 1);
  }
  return result;
}

TEST_CASE("sync group: it is master only when all its members want to be") {
  SyncGroup group("G");
  auto both = members(State::backup, State::backup);
  both[0].wants_master = true;
  CHECK(words(group.orders(both)).empty());
  CHECK(group.state() == State::backup);
  both[1].wants_master = true;
  CHECK(words(group.orders(both)) == "take over 1, take over 2");
  CHECK(words(group.orders(members(State::master, State::master))).empty());
  CHECK(group.state() == State::master);
}

TEST_CASE("sync group: one that went on as master takes the others along, once they have started") {
  SyncGroup group("G");
  CHECK(words(group.orders(members(State::master, State::init))).empty());
  CHECK(words(group.orders(members(State::master, State::backup))) == "take over 2");
}

TEST_CASE("sync group: one that is no longer master takes the others along") {
  SyncGroup group("G");
  (void)group.orders(members(State::master, State::master));
  CHECK(words(group.orders(members(State::backup, State::master))) == "stand down 2");
  CHECK(group.state() == State::backup);
  CHECK(words(group.orders(members(State::backup, State::backup))).empty());
}

TEST_CASE("sync group: one in FAULT faults all, and all come back together") {
  SyncGroup group("G");
  auto both = members(State::master, State::fault);
  both[1].cannot_be_master = true;
  const auto orders = group.orders(both);
  CHECK(words(orders) == "fault 1");
  CHECK(orders.front().reason == "vrrp_sync_group G: VI_2 is in FAULT");
  both[0].state = State::fault;
  CHECK(words(group.orders(both)).empty());
  CHECK(group.state() == State::fault);
  both[0].cannot_be_master = true;  // both: the first one's keeps the other
  CHECK(words(group.orders(both)) == "clear 1, fault 2");
  both[0].cannot_be_master = false;
  CHECK(words(group.orders(both)) == "fault 1, clear 2");
  both[1].cannot_be_master = false;
  CHECK(words(group.orders(both)) == "clear 1");
  CHECK(words(group.orders(members(State::backup, State::backup))).empty());
  CHECK(group.state() == State::backup);
}

// Two hosts with a member of the group on each of two links.
class Lab {
 public:
  Lab(int priority_a, int priority_b) {
    add_host(priority_a, 1);
    add_host(priority_b, 2);
  }

  void run(Duration time) {
    const TimePoint end = now_ + time;
    for (; now_ < end; now_ += 10ms) {
      for (Host& host : hosts_) {
        for (size_t link = 0; link < 2; ++link) {
          VirtualRouter& router = *host.routers[link];
          if (router.deadline() && *router.deadline() <= now_) feed(host, link, TimerExpired{});
        }
        follow(host);
      }
    }
  }
  // The host's member on this link cannot be master, or can again.
  void set_fault(size_t host, size_t link, bool fault) {
    hosts_[host].own_fault[link] = fault;
    settle(hosts_[host], link);
    follow(hosts_[host]);
  }
  void cut(size_t link, bool cut) { cut_[link] = cut; }
  [[nodiscard]] State state(size_t host, size_t link) const {
    return hosts_[host].routers[link]->state();
  }
  [[nodiscard]] std::string states() const {
    std::string result;
    for (const Host& host : hosts_) {
      for (const auto& router : host.routers)
        result += name_of(router->state()).substr(0, 1);
    }
    return result;
  }
  size_t split = 0;  // instants at which one host's members were not in the same role

 private:
  struct Host {
    IpAddress address;
    SyncGroup group{"G"};
    std::array<std::optional<VirtualRouter>, 2> routers;
    std::array<bool, 2> own_fault{};
    std::array<bool, 2> group_fault{};
    uint8_t priority = 100;
  };

  void add_host(int priority, uint8_t number) {
    Host& host = hosts_.emplace_back();
    host.address = IpAddress::v4(10, 0, 0, number);
    host.priority = static_cast<uint8_t>(priority);
    for (size_t link = 0; link < 2; ++link) {
      Settings settings;
      settings.priority = host.priority;
      settings.grouped = true;
      host.routers[link].emplace(settings);
    }
    for (size_t link = 0; link < 2; ++link)
      feed(host, link, InterfaceUp{host.address});
  }

  void settle(Host& host, size_t link) {
    if (host.own_fault[link] || host.group_fault[link]) {
      feed(host, link, InterfaceDown{true});
    } else if (host.routers[link]->state() == State::fault) {
      feed(host, link, InterfaceUp{host.address});
    }
  }

  void feed(Host& host, size_t link, const Event& event) {
    for (const Action& action : host.routers[link]->handle(event, now_)) {
      const auto* advert = std::get_if<SendAdvertisement>(&action);
      if (advert == nullptr || cut_[link]) continue;
      for (Host& other : hosts_) {
        if (&other == &host || !other.routers[link]) continue;
        other.routers[link]->handle(AdvertisementReceived{host.address, advert->priority, 1s},
                                    now_);
      }
    }
  }

  void follow(Host& host) {
    for (int round = 0; round < 10; ++round) {
      std::vector<GroupMember> members;
      for (size_t link = 0; link < 2; ++link) {
        members.push_back({"VI_" + std::to_string(link), host.routers[link]->state(),
                           host.routers[link]->wants_master(), host.own_fault[link]});
      }
      const auto orders = host.group.orders(members);
      if (orders.empty()) break;
      for (const GroupOrder& order : orders) {
        if (order.kind == Kind::take_over) feed(host, order.member, TakeOver{});
        if (order.kind == Kind::stand_down) feed(host, order.member, StandDown{});
        if (order.kind == Kind::fault || order.kind == Kind::clear) {
          host.group_fault[order.member] = order.kind == Kind::fault;
          settle(host, order.member);
        }
      }
    }
    const bool first = host.routers[0]->state() == State::master;
    if (first != (host.routers[1]->state() == State::master)) ++split;
  }

  TimePoint now_{};
  std::vector<Host> hosts_ = std::vector<Host>();
  std::array<bool, 2> cut_{};

 public:
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;
};

TEST_CASE("sync group: of two hosts one owns both links, whoever's member fails") {
  Lab lab(150, 100);
  lab.run(10s);
  CHECK(lab.states() == "MMBB");
  lab.set_fault(0, 1, true);
  CHECK(lab.states().substr(0, 2) == "FF");
  lab.run(5s);
  CHECK(lab.states() == "FFMM");
  lab.set_fault(0, 1, false);
  lab.run(10s);
  CHECK(lab.states() == "MMBB");
  CHECK(lab.split == 0);
}

TEST_CASE("sync group: a host that hears a master on one link waits on both") {
  Lab lab(150, 100);
  lab.run(10s);
  lab.cut(0, true);  // the backup hears nothing on the first link, adverts on the second
  lab.run(20s);
  CHECK(lab.states() == "MMBB");
  CHECK(lab.split == 0);
  lab.cut(1, true);
  lab.run(10s);
  CHECK(lab.states() == "MMMM");  // nothing is heard at all: two owners until it heals
  lab.cut(0, false);              // one link is enough to end it
  lab.run(5s);
  CHECK(lab.states() == "MMBB");
  CHECK(lab.split == 0);
}

}  // namespace
}  // namespace xlb::vrrp
