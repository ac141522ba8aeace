#include "dataplane_watch.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>
#include <vector>

namespace xlb::bench {
namespace {

// The daemon needs a CPU too.
constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 200'000};

double now_s() {
  timespec now{};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

class Sight {
 public:
  explicit Sight(const Watch& watch) : watch_(watch) {}

  // Whether the program is pinned and its interface takes frames; a failure only means: not yet.
  bool open() {
    if (wrapper_) return true;
    const UniqueFd program(bpf_obj_get(watch_.program.c_str()));
    if (!program.valid()) return not_yet("the program is not pinned");
    auto wrapper = Wrapper::load(program.get(), watch_.place, watch_.stream);
    if (!wrapper) return not_yet(wrapper.error().text);
    wrapper->set_order(Order::in_turn);
    if (const auto sample = wrapper->run(1); !sample) return not_yet(sample.error().text);
    wrapper_ = std::move(*wrapper);
    return true;
  }

  bool seen() {
    bool to_mac = false;
    for (uint32_t i = 0; i < watch_.connections; i++) {
      const auto sample = wrapper_->run(1);
      if (!sample) return not_yet(sample.error().text);
      if (sample->verdict != XDP_TX)
        return not_yet(fmt::format("the verdict is {}", sample->verdict));
      to_mac |= std::equal(watch_.mac.begin(), watch_.mac.end(), sample->frame.begin());
      // One connection is enough to see that some go there, and ends the sight of none.
      if (to_mac && !watch_.mac.empty()) break;
    }
    if (watch_.mac.empty() || to_mac == watch_.some) return true;
    return not_yet(to_mac ? "connections go to the MAC" : "no connection goes to the MAC");
  }

  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  bool not_yet(std::string why) {
    reason_ = std::move(why);
    return false;
  }

  const Watch& watch_;
  std::optional<Wrapper> wrapper_;
  std::string reason_;
};

}  // namespace

Result<double> wait_for(const Watch& watch, const std::function<void()>& watching) {
  const double deadline = now_s() + watch.timeout_s;
  Sight sight(watch);
  bool said = false;
  for (;;) {
    const bool open = sight.open();
    if (open && sight.seen()) return now_s();
    if (open && !said) watching();
    said |= open;
    if (now_s() > deadline)
      return fail("cannot see what was waited for, {} s long: {}", watch.timeout_s, sight.reason());
    (void)nanosleep(&kPause, nullptr);
  }
}

}  // namespace xlb::bench
