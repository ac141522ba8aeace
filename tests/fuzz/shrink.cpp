#include <algorithm>
#include <functional>

#include "compare.h"

namespace xlb::oracle {
namespace {

class Shrinker {
 public:
  Shrinker(Kernel& kernel, Scenario scenario, Mismatch mismatch)
      : kernel_(kernel), best_{std::move(scenario), std::move(mismatch)} {}

  Shrunk run() {
    cut_after_mismatch();
    drop_packets();
    for (int round = 0; round < 2; round++) {
      simplify_tables();
      simplify_packets();
    }
    return best_;
  }

 private:
  // Keeps the change if the difference is still there.
  bool attempt(const std::function<void(Scenario&)>& change) {
    Scenario candidate = best_.scenario;
    change(candidate);
    const auto mismatch = check(kernel_, candidate, Depth::thorough);
    if (!mismatch) return false;
    best_ = {std::move(candidate), *mismatch};
    return true;
  }

  void cut_after_mismatch() {
    (void)attempt([&](Scenario& scenario) { scenario.packets.resize(best_.mismatch.packet + 1); });
  }

  void drop_packets() {
    for (size_t chunk = best_.scenario.packets.size(); chunk > 0; chunk /= 2) {
      for (size_t at = 0; at < best_.scenario.packets.size();) {
        const bool dropped = attempt([&](Scenario& scenario) {
          const auto begin = scenario.packets.begin() + static_cast<std::ptrdiff_t>(at);
          const size_t count = std::min(chunk, scenario.packets.size() - at);
          scenario.packets.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
        });
        if (!dropped) at += chunk;
        cut_after_mismatch();
      }
    }
  }

  template <typename Array>
  void zero_each(Array Tables::*array) {
    using Element = typename Array::value_type;
    (void)attempt([&](Scenario& scenario) { (scenario.tables.*array).fill(Element{}); });
    for (size_t i = 0; i < (best_.scenario.tables.*array).size(); i++) {
      if (same_bytes((best_.scenario.tables.*array)[i], Element{})) continue;
      (void)attempt([&](Scenario& scenario) { (scenario.tables.*array)[i] = Element{}; });
    }
  }

  template <typename Container>
  void drop_each(Container Tables::*container) {
    for (size_t i = 0; i < (best_.scenario.tables.*container).size();) {
      const bool dropped = attempt([&](Scenario& scenario) {
        auto& elements = scenario.tables.*container;
        elements.erase(std::next(elements.begin(), static_cast<std::ptrdiff_t>(i)));
      });
      if (!dropped) i++;
    }
  }

  void simplify_tables() {
    drop_each(&Tables::services);
    zero_each(&Tables::flows);
    zero_each(&Tables::flow_addresses);
    zero_each(&Tables::clients);
    zero_each(&Tables::client_addresses);
    drop_each(&Tables::fragments);
    drop_each(&Tables::peers);
    drop_each(&Tables::ports);
    drop_each(&Tables::interfaces);
    zero_each(&Tables::loads);
    zero_each(&Tables::schedulers);
    zero_each(&Tables::slots);
    zero_each(&Tables::real_servers);
  }

  void simplify_packets() {
    for (size_t i = 0; i < best_.scenario.packets.size(); i++) {
      for (size_t cut = best_.scenario.packets[i].size() / 2; cut > 0; cut /= 2) {
        while (best_.scenario.packets[i].size() > 14 + cut && attempt([&](Scenario& scenario) {
                 scenario.packets[i].resize(scenario.packets[i].size() - cut);
               })) {
        }
      }
      const size_t headers = std::min<size_t>(best_.scenario.packets[i].size(), 200);
      for (size_t at = 0; at < headers && at < best_.scenario.packets[i].size(); at++) {
        if (best_.scenario.packets[i][at] != 0)
          (void)attempt([&](Scenario& scenario) { scenario.packets[i][at] = 0; });
      }
    }
  }

  Kernel& kernel_;
  Shrunk best_;
};

}  // namespace

Shrunk shrink(Kernel& kernel, Scenario scenario, Mismatch mismatch) {
  return Shrinker(kernel, std::move(scenario), std::move(mismatch)).run();
}

}  // namespace xlb::oracle
