#include "io/xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <xlb/abi.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "io/kernel_clock.h"
#include "xlb.skel.h"

namespace xlb {
namespace {

constexpr const char* kMetaMap = "xlb_meta";
constexpr size_t kVerifierLogBytes = 4 << 20;
constexpr size_t kShownLogBytes = 4000;

// Twice as many places as flows: a flow finds one among the eight it may stand in.
MapSet wanted_set(const TableSizes& sizes) {
  MapSet set;
  set.abi_version = XLB_ABI_VERSION;
  // A flow's bucket has a buddy: at least two.
  set.flow_buckets = std::max(2U, std::bit_ceil(sizes.flows / XLB_FLOWS_PER_BUCKET) * 2);
  // Most clients have several connections.
  set.client_buckets = std::max(1U, std::bit_ceil(sizes.flows / 2 / XLB_PERSISTENCE_PER_BUCKET));
  set.real_servers = std::max(2U, sizes.real_servers);
  return set;
}

// What stands in the way of using `found`; empty: nothing.
std::string misfit(const MapSet& found, const MapSet& wanted) {
  if (found.abi_version != wanted.abi_version) {
    return fmt::format("ABI version {} instead of {}", found.abi_version, wanted.abi_version);
  }
  if (found.flow_buckets != wanted.flow_buckets || found.client_buckets != wanted.client_buckets) {
    return fmt::format("flow table size changed from {} to {}",
                       found.flow_buckets / 2 * XLB_FLOWS_PER_BUCKET,
                       wanted.flow_buckets / 2 * XLB_FLOWS_PER_BUCKET);
  }
  if (found.real_servers != wanted.real_servers) {
    return fmt::format("real_servers_max changed from {} to {}", found.real_servers,
                       wanted.real_servers);
  }
  return "";
}

bool fits(const bpf_map* map, int fd) {
  bpf_map_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return false;
  return info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
         info.value_size == bpf_map__value_size(map) &&
         info.max_entries == bpf_map__max_entries(map);
}

std::string tail_of(const std::vector<char>& log) {
  std::string text(log.data(), strnlen(log.data(), log.size()));
  if (text.size() > kShownLogBytes) text = "..." + text.substr(text.size() - kShownLogBytes);
  return text.empty() ? text : "\n" + text;
}

}  // namespace

struct XdpProgram::Object {
  xlb_bpf* skeleton = nullptr;
  UniqueFd meta;

  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  ~Object() { xlb_bpf__destroy(skeleton); }

  // The maps to be pinned: not those the compiler made for constants.
  [[nodiscard]] std::vector<bpf_map*> maps() const {
    std::vector<bpf_map*> result;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj) {
      if (!bpf_map__is_internal(map)) result.push_back(map);
    }
    return result;
  }

  void resize(const MapSet& set, const KernelClock& clock) const {
    const auto& maps = skeleton->maps;
    const auto size = [](bpf_map* map, uint32_t entries) {
      (void)bpf_map__set_max_entries(map, entries);
    };
    size(maps.xlb_flows, set.flow_buckets);
    size(maps.xlb_flow_addresses, set.flow_buckets * XLB_FLOWS_PER_BUCKET);
    size(maps.xlb_persistence, set.client_buckets);
    size(maps.xlb_client_addresses, set.client_buckets * XLB_PERSISTENCE_PER_BUCKET);
    size(maps.xlb_real_servers, set.real_servers);
    size(maps.xlb_loads, set.real_servers);
    size(maps.xlb_traffic, set.real_servers);
    skeleton->rodata->xlb_flow_mask = set.flow_buckets - 1;
    skeleton->rodata->xlb_client_mask = set.client_buckets - 1;
    skeleton->rodata->xlb_hash_seed = set.hash_seed;
    skeleton->rodata->xlb_clock_epoch = clock.epoch_ticks;
    skeleton->rodata->xlb_clock_scale = clock.seconds_per_tick;
  }

  // Uses the pinned maps; the reason if they cannot be used.
  [[nodiscard]] std::string adopt_maps(const std::string& directory) const {
    std::vector<UniqueFd> pins;
    for (const bpf_map* map : maps()) {
      auto found = open_pin(directory + "/" + bpf_map__name(map));
      if (!found || !found->valid() || !fits(map, found->get())) {
        return fmt::format("the pinned map {} is missing or of another kind", bpf_map__name(map));
      }
      pins.push_back(std::move(*found));
    }
    size_t next = 0;
    for (bpf_map* map : maps()) {
      const int failed = bpf_map__reuse_fd(map, pins[next++].get());
      if (failed != 0) return fail_errno(failed, "cannot reuse map {}", bpf_map__name(map)).text;
    }
    return "";
  }

  // A skeleton that has not been loaded yet. The verifier writes to `log` when it refuses the
  // program.
  Result<void> open(std::vector<char>& log) {
    LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log.data(),
                .kernel_log_size = log.size());
    xlb_bpf__destroy(skeleton);
    skeleton = xlb_bpf__open_opts(&options);
    if (skeleton == nullptr) return fail_errno(errno, "cannot open the XDP program");
    return {};
  }

  Result<void> load(const std::vector<char>& log) const {
    const int failed = xlb_bpf__load(skeleton);
    if (failed == 0) return {};
    auto error = fail_errno(failed, "cannot load the XDP program");
    error.text += tail_of(log);
    return error;
  }
};

XdpProgram::XdpProgram(BpfDirectory directory)
    : directory_(std::move(directory)), object_(std::make_unique<Object>()) {}
XdpProgram::XdpProgram(XdpProgram&&) noexcept = default;
XdpProgram& XdpProgram::operator=(XdpProgram&&) noexcept = default;
XdpProgram::~XdpProgram() = default;

int XdpProgram::fd() const {
  return bpf_program__fd(object_->skeleton->progs.xlb);
}

int XdpProgram::map(std::string_view name) const {
  return bpf_object__find_map_fd_by_name(object_->skeleton->obj, std::string(name).c_str());
}

uint64_t XdpProgram::memory_bytes() const {
  uint64_t bytes = 0;
  for (const bpf_map* map : object_->maps()) {
    uint64_t each = bpf_map__value_size(map);
    if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY) {
      each *= static_cast<uint64_t>(libbpf_num_possible_cpus());
    }
    bytes += (each + 7) / 8 * 8 * bpf_map__max_entries(map);
  }
  return bytes;
}

Result<XdpProgram> XdpProgram::load(const BpfDirectory& directory, const TableSizes& sizes) {
  libbpf_set_print(nullptr);
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};  // kernels before 5.11 charge maps to it
  (void)setrlimit(RLIMIT_MEMLOCK, &unlimited);

  const auto clock = read_kernel_clock();
  if (!clock) return clock.error();
  XdpProgram result(directory);
  auto& object = *result.object_;
  std::vector<char> log(kVerifierLogBytes);
  if (auto opened = object.open(log); !opened) return opened.error();
  result.set_ = wanted_set(sizes);

  const uint32_t first = 0;
  MapSet found;
  auto meta = open_pin(directory.maps() + "/" + kMetaMap);
  const bool readable =
      meta && meta->valid() && bpf_map_lookup_elem(meta->get(), &first, &found) == 0;
  if (readable) {
    result.replaced_because_ = misfit(found, result.set_);
    if (result.replaced_because_.empty()) {
      object.resize(found, *clock);
      result.replaced_because_ = object.adopt_maps(directory.maps());
    }
    result.adopted_ = result.replaced_because_.empty();
  } else if (!directory.links().empty()) {
    result.replaced_because_ = "its maps cannot be read";
  }

  if (result.adopted_) {
    result.set_ = found;
    object.meta = std::move(*meta);
  } else {
    if (getrandom(&result.set_.hash_seed, sizeof result.set_.hash_seed, 0) < 0) {
      return fail_errno(errno, "cannot get a random seed");
    }
    if (auto opened = object.open(log); !opened) return opened.error();  // forget what was reused
    object.resize(result.set_, *clock);
  }
  if (auto loaded = object.load(log); !loaded) return loaded.error();
  if (!result.adopted_) {
    if (auto pinned = result.pin_new_maps(); !pinned) return pinned.error();
  }
  return result;
}

Result<void> XdpProgram::pin_new_maps() {
  const std::string directory = directory_.new_maps();
  if (auto removed = remove_pins(directory); !removed) return removed;
  if (auto made = make_pin_directory(directory); !made) return made;
  for (const bpf_map* map : object_->maps()) {
    const auto path = directory + "/" + bpf_map__name(map);
    if (auto pinned = pin(bpf_map__fd(map), path); !pinned) return pinned;
  }
  object_->meta.reset(
      bpf_map_create(BPF_MAP_TYPE_ARRAY, kMetaMap, sizeof(uint32_t), sizeof(MapSet), 1, nullptr));
  const uint32_t first = 0;
  if (!object_->meta.valid() ||
      bpf_map_update_elem(object_->meta.get(), &first, &set_, BPF_ANY) != 0) {
    return fail_errno(errno, "cannot make map {}", kMetaMap);
  }
  return pin(object_->meta.get(), directory + "/" + kMetaMap);
}

Result<bool> XdpProgram::restore_pins() const {
  const std::string directory = directory_.maps();
  if (auto made = make_pin_directory(directory); !made) return made.error();
  bool restored = false;
  const auto check = [&](int descriptor, const std::string& path) -> Result<void> {
    const auto pinned = pin_if_missing(descriptor, path);
    if (!pinned) return pinned.error();
    restored |= *pinned;
    return {};
  };
  if (auto pinned = check(fd(), directory_.program()); !pinned) return pinned.error();
  for (const bpf_map* map : object_->maps()) {
    const auto path = directory + "/" + bpf_map__name(map);
    if (auto pinned = check(bpf_map__fd(map), path); !pinned) return pinned.error();
  }
  if (auto pinned = check(object_->meta.get(), directory + "/" + kMetaMap); !pinned) {
    return pinned.error();
  }
  return restored;
}

Result<void> XdpProgram::take_over() {
  if (auto pinned = replace_pin(fd(), directory_.program()); !pinned) return pinned;
  if (adopted_) return remove_pins(directory_.new_maps());
  if (auto removed = remove_pins(directory_.maps()); !removed) return removed;
  return rename_pins(directory_.new_maps(), directory_.maps());
}

}  // namespace xlb
