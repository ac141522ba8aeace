// When each instance last spoke as master, in a small memory-mapped file of the run directory: so a
// restarted daemon knows whether any backup can have given it up yet. A stamp is one store; it
// survives the process, not the host. It must not know what follows from it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/types.h"

namespace xlb {

class AdvertRecord {
 public:
  static constexpr size_t kInstances = 256;  // further ones are not remembered

  static Result<std::unique_ptr<AdvertRecord>> open(const std::string& path);
  ~AdvertRecord();
  AdvertRecord(const AdvertRecord&) = delete;
  AdvertRecord& operator=(const AdvertRecord&) = delete;

  // `now` is monotonic time, the same for every process until the host is started anew.
  void stamp(std::string_view instance, TimePoint now);
  // It spoke for the last time: a farewell, or it lost the election.
  void clear(std::string_view instance);
  [[nodiscard]] std::optional<TimePoint> last(std::string_view instance) const;

 private:
  struct Slot;
  explicit AdvertRecord(Slot* slots) : slots_(slots) {}
  [[nodiscard]] Slot* find(std::string_view instance) const;

  Slot* slots_;
};

}  // namespace xlb
