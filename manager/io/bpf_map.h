// Typed access to BPF maps: a hash or array by system call, an mmapable array as memory. Keys and
// values are ABI structs; a wrong size is found when the map is opened, not here.
#pragma once

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace xlb {

// Does not own the descriptor.
template <typename Key, typename Value>
class BpfMap {
 public:
  BpfMap() = default;
  BpfMap(int fd, std::string_view name) : fd_(fd), name_(name) {}

  Result<void> put(const Key& key, const Value& value) const {
    const int failed = bpf_map_update_elem(fd_, &key, &value, BPF_ANY);
    if (failed != 0) return fail_errno(failed, "cannot write map {}", name_);
    return {};
  }
  // An entry that is not there is erased already.
  Result<void> erase(const Key& key) const {
    const int failed = bpf_map_delete_elem(fd_, &key);
    if (failed != 0 && failed != -ENOENT)
      return fail_errno(failed, "cannot erase from map {}", name_);
    return {};
  }
  // Every entry of a hash map that only this process changes.
  [[nodiscard]] Result<std::vector<std::pair<Key, Value>>> entries() const {
    std::vector<std::pair<Key, Value>> result;
    const Key* previous = nullptr;
    std::pair<Key, Value> entry{};
    Key key{};
    for (;;) {
      const int failed = bpf_map_get_next_key(fd_, previous, &entry.first);
      if (failed == -ENOENT) return result;
      if (failed != 0) return fail_errno(failed, "cannot list map {}", name_);
      if (bpf_map_lookup_elem(fd_, &entry.first, &entry.second) == 0) result.push_back(entry);
      key = entry.first;
      previous = &key;
    }
  }

 private:
  int fd_ = -1;
  std::string_view name_;
};

// The memory of an mmapable array map. An element takes a multiple of 8 bytes in it, so T must too.
template <typename T>
class MappedArray {
 public:
  static_assert(sizeof(T) % 8 == 0);

  MappedArray() = default;
  MappedArray(const MappedArray&) = delete;
  MappedArray& operator=(const MappedArray&) = delete;
  MappedArray(MappedArray&& other) noexcept : elements_(std::exchange(other.elements_, {})) {}
  MappedArray& operator=(MappedArray&& other) noexcept {
    std::swap(elements_, other.elements_);
    return *this;
  }
  ~MappedArray() {
    if (!elements_.empty()) munmap(elements_.data(), elements_.size_bytes());
  }

  static Result<MappedArray> map(int fd, size_t count, std::string_view name) {
    void* const memory =
        mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return fail_errno(errno, "cannot map the memory of {}", name);
    // A script's fork would copy the page tables of half a gigabyte, and the loop would wait for
    // it.
    (void)madvise(memory, count * sizeof(T), MADV_DONTFORK);
    MappedArray result;
    result.elements_ = {static_cast<T*>(memory), count};
    return result;
  }

  [[nodiscard]] std::span<T> span() const { return elements_; }
  T& operator[](size_t index) const { return elements_[index]; }

 private:
  std::span<T> elements_;
};

}  // namespace xlb
