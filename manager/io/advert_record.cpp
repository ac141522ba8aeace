#include "io/advert_record.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/unique_fd.h"

namespace xlb {

struct AdvertRecord::Slot {
  char instance[56];    // cut and zero padded; all zero: free
  int64_t nanoseconds;  // 0: not master
};

namespace {

constexpr size_t kNameSize = 56;

}  // namespace

Result<std::unique_ptr<AdvertRecord>> AdvertRecord::open(const std::string& path) {
  constexpr size_t kSize = kInstances * sizeof(Slot);
  static_assert(sizeof(Slot) == kNameSize + sizeof(int64_t));
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return fail_errno(errno, "cannot open {}", path);
  if (::ftruncate(file.get(), static_cast<off_t>(kSize)) != 0) {
    return fail_errno(errno, "cannot size {}", path);
  }
  void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return fail_errno(errno, "cannot map {}", path);
  return std::unique_ptr<AdvertRecord>(new AdvertRecord(static_cast<Slot*>(memory)));
}

AdvertRecord::~AdvertRecord() {
  (void)::munmap(slots_, kInstances * sizeof(Slot));
}

// The instance's slot, else a free one, else none.
AdvertRecord::Slot* AdvertRecord::find(std::string_view instance) const {
  char name[kNameSize] = {};
  std::memcpy(name, instance.data(), std::min(instance.size(), kNameSize));
  Slot* unused = nullptr;
  for (size_t i = 0; i < kInstances; ++i) {
    if (std::memcmp(slots_[i].instance, name, kNameSize) == 0) return &slots_[i];
    if (unused == nullptr && slots_[i].instance[0] == '\0') unused = &slots_[i];
  }
  return unused;
}

void AdvertRecord::stamp(std::string_view instance, TimePoint now) {
  Slot* slot = find(instance);
  if (slot == nullptr) return;
  if (slot->instance[0] == '\0') {
    std::memcpy(slot->instance, instance.data(), std::min(instance.size(), kNameSize));
  }
  slot->nanoseconds =
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
}

void AdvertRecord::clear(std::string_view instance) {
  if (Slot* slot = find(instance)) slot->nanoseconds = 0;
}

std::optional<TimePoint> AdvertRecord::last(std::string_view instance) const {
  const Slot* slot = find(instance);
  if (slot == nullptr || slot->nanoseconds == 0) return std::nullopt;
  return TimePoint(
      std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(slot->nanoseconds)));
}

}  // namespace xlb
