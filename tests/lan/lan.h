// Several virtual routers on a simulated link: each has a clock of its own, serves its timers late,
// may crash, be stopped and cut off; adverts are lost, doubled, late and out of order. Runs a
// scenario and tells the judge what the link looks like after every event. Repeatable: the seed
// decides all.
#pragma once

#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "../fuzz/random.h"
#include "core/vrrp.h"
#include "judge.h"
#include "scenario.h"

namespace xlb::vrrp::lan {

class Lan {
 public:
  using Trace = std::function<void(Duration now, const std::string& line)>;

  explicit Lan(const Scenario& scenario, Trace trace = nullptr);

  // The whole scenario, its repair and the quiet time after it. What went wrong first, in words.
  std::optional<std::string> run();

 private:
  struct Station {
    RouterPlan plan;
    VirtualRouter router;
    IpAddress address;
    Duration late{};  // of the timer that is due next
    StationView view;
    std::vector<AdvertisementReceived> socket;  // what arrived while it was stopped
  };
  struct Delivery {
    Duration at{};
    uint64_t number = 0;  // of equal times the earlier sent is the earlier received
    size_t to = 0;
    AdvertisementReceived advert;
    bool operator>(const Delivery& other) const {
      return at != other.at ? at > other.at : number > other.number;
    }
  };

  void run_until(Duration end);
  bool step(Duration end);
  void apply(const Event& event);
  void begin(size_t who);
  void crash(size_t who);
  void wake(size_t who);
  void reload(size_t who, const Settings& settings);
  void cut(const std::vector<int>& sides);
  void forge();
  void repair();
  void give(size_t who, const vrrp::Event& event);
  void carry_out(size_t who, const Actions& actions);
  void broadcast(size_t from, uint8_t priority);
  void deliver(size_t to, const AdvertisementReceived& advert);
  void observe();
  [[nodiscard]] TimePoint local_time(const Station& station) const;
  [[nodiscard]] Duration due(const Station& station) const;
  [[nodiscard]] Duration drawn(Duration most);

  Scenario scenario_;
  Trace trace_;
  oracle::Random random_;
  LinkPlan link_;
  Judge judge_;
  Duration now_{};
  std::vector<Station> stations_;
  std::priority_queue<Delivery, std::vector<Delivery>, std::greater<>> in_flight_;
  uint64_t sent_ = 0;
};

}  // namespace xlb::vrrp::lan
