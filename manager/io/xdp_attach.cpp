#include "io/xdp_attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace xlb {
namespace {

// More than a page holds beside headroom and tailroom, so drivers without multi-buffer support
// refuse it.
constexpr int kLargestCommonXdpMtu = 3498;

std::optional<int> mtu_of(const std::string& interface) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  if (ioctl(socket.get(), SIOCGIFMTU, &request) != 0) return std::nullopt;
  return request.ifr_mtu;
}

std::string why_not_native(const std::string& interface, int code) {
  const auto mtu = mtu_of(interface);
  if ((code == ERANGE || code == EINVAL || code == EOPNOTSUPP) && mtu > kLargestCommonXdpMtu) {
    return fmt::format("MTU {} is too large for native XDP", *mtu);
  }
  return fail_errno(code, "driver refuses native XDP").text;
}

// 0 when the kernel says that nothing is attached, or says nothing.
uint32_t attached_program(unsigned ifindex, bool* generic) {
  LIBBPF_OPTS(bpf_xdp_query_opts, query);
  if (bpf_xdp_query(static_cast<int>(ifindex), 0, &query) != 0) return 0;
  if (generic != nullptr) *generic = query.attach_mode == XDP_ATTACHED_SKB;
  if (query.prog_id != 0) return query.prog_id;
  return query.drv_prog_id != 0 ? query.drv_prog_id : query.skb_prog_id;
}

std::string program_name(uint32_t id) {
  const UniqueFd program(bpf_prog_get_fd_by_id(id));
  bpf_prog_info info{};
  __u32 size = sizeof info;
  if (!program.valid() || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) return "?";
  return info.name;
}

Error occupied(const std::string& interface, unsigned ifindex, int code) {
  const uint32_t id = attached_program(ifindex, nullptr);
  if (id == 0) {
    return fail_errno(code,
                      "cannot attach XDP to {}: another program is attached to it or to a device "
                      "above it",
                      interface);
  }
  return {fmt::format("cannot attach XDP to {0}: the program \"{1}\" (id {2}) is attached there "
                      "already; stop what attached it, or remove it with \"ip link set dev {0} "
                      "xdp off\"",
                      interface, program_name(id), id),
          code};
}

// The new link's descriptor, or a negative errno.
int create_link(int program_fd, unsigned ifindex, uint32_t flags) {
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
  return bpf_link_create(program_fd, static_cast<int>(ifindex), BPF_XDP, &options);
}

// The interface of an XDP link; 0 when it is gone or the link is of another kind.
unsigned interface_of(int link_fd) {
  bpf_link_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(link_fd, &info, &size) != 0) return 0;
  return info.type == BPF_LINK_TYPE_XDP ? info.xdp.ifindex : 0;
}

}  // namespace

Result<XdpLinks> XdpLinks::adopt(const BpfDirectory& directory) {
  XdpLinks result(directory);
  for (const auto& path : directory.links()) {
    auto link = open_pin(path);
    const unsigned ifindex = link && link->valid() ? interface_of(link->get()) : 0;
    if (ifindex == 0) {
      if (auto removed = remove_pins(path); !removed) return removed.error();
      continue;
    }
    result.links_[ifindex] = {std::move(*link), path};
  }
  return result;
}

Result<void> XdpLinks::switch_to(int program_fd) {
  for (auto link = links_.begin(); link != links_.end();) {
    const int failed = bpf_link_update(link->second.fd.get(), program_fd, nullptr);
    if (failed == -ENOLINK) {  // the interface has gone meanwhile
      (void)remove_pins(link->second.pin);
      link = links_.erase(link);
      continue;
    }
    if (failed != 0) {
      return fail_errno(failed, "cannot switch {} to the new program", link->second.pin);
    }
    ++link;
  }
  return {};
}

Result<Attached> XdpLinks::attach(const std::string& interface, unsigned ifindex, AttachMode mode,
                                  int program_fd) {
  if (const auto link = links_.find(ifindex); link != links_.end()) {
    bool generic = false;
    (void)attached_program(ifindex, &generic);
    const bool allowed = mode == AttachMode::automatic || (mode == AttachMode::generic) == generic;
    const bool alive = interface_of(link->second.fd.get()) == ifindex;
    if (alive && allowed && !generic) return Attached{"native", ""};
    if (alive && allowed) {
      return Attached{"generic", mode == AttachMode::generic
                                     ? "attach_mode generic"
                                     : "native XDP was refused when it was first attached"};
    }
    if (auto detached = detach(ifindex); !detached) return detached.error();
  }
  Attached result{"native", ""};
  int fd = -EOPNOTSUPP;
  if (mode != AttachMode::generic) {
    fd = create_link(program_fd, ifindex, XDP_FLAGS_DRV_MODE);
    if (fd == -EBUSY || fd == -EEXIST) return occupied(interface, ifindex, -fd);
    if (fd < 0) result.reason = why_not_native(interface, -fd);
    if (fd < 0 && mode == AttachMode::native) {
      return Error{fmt::format("cannot attach XDP to {}: {}", interface, result.reason), -fd};
    }
  } else {
    result.reason = "attach_mode generic";
  }
  if (fd < 0) {
    result.mode = "generic";
    fd = create_link(program_fd, ifindex, XDP_FLAGS_SKB_MODE);
    if (fd == -EBUSY || fd == -EEXIST) return occupied(interface, ifindex, -fd);
    if (fd < 0) {
      return fail_errno(fd, "cannot attach XDP to {}: {}; generic XDP", interface, result.reason);
    }
  }
  if (auto kept = keep(interface, ifindex, UniqueFd(fd)); !kept) return kept.error();
  return result;
}

Result<void> XdpLinks::keep(const std::string& interface, unsigned ifindex, UniqueFd link) {
  std::string path = directory_.link(interface);
  const bool used = std::any_of(links_.begin(), links_.end(),
                                [&](const auto& other) { return other.second.pin == path; });
  if (used) path += fmt::format(":{}", ifindex);  // an attached interface was renamed
  if (auto pinned = replace_pin(link.get(), path); !pinned) return pinned;
  links_[ifindex] = {std::move(link), std::move(path)};
  return {};
}

Result<void> XdpLinks::detach(unsigned ifindex) {
  const auto link = links_.find(ifindex);
  if (link == links_.end()) return {};
  const int failed = bpf_link_detach(link->second.fd.get());
  auto removed = remove_pins(link->second.pin);
  const std::string pin = link->second.pin;
  links_.erase(link);
  if (failed != 0 && failed != -ENOLINK) return fail_errno(failed, "cannot detach {}", pin);
  return removed;
}

std::vector<unsigned> XdpLinks::forget_detached() {
  std::vector<unsigned> result;
  for (auto link = links_.begin(); link != links_.end();) {
    if (interface_of(link->second.fd.get()) == link->first) {
      ++link;
      continue;
    }
    (void)remove_pins(link->second.pin);  // one that stays is removed by the next run
    result.push_back(link->first);
    link = links_.erase(link);
  }
  return result;
}

std::function<bool()> XdpLinks::inspection() const {
  // Descriptors of its own: ours may be closed meanwhile.
  auto links = std::make_shared<std::vector<std::pair<unsigned, UniqueFd>>>();
  for (const auto& [ifindex, link] : links_)
    links->emplace_back(ifindex, UniqueFd(::fcntl(link.fd.get(), F_DUPFD_CLOEXEC, 0)));
  return [links] {
    return std::any_of(links->begin(), links->end(), [](const auto& link) {
      return link.second.valid() && interface_of(link.second.get()) != link.first;
    });
  };
}

Result<bool> XdpLinks::restore_pins() const {
  bool restored = false;
  for (const auto& [ifindex, link] : links_) {
    const auto pinned = pin_if_missing(link.fd.get(), link.pin);
    if (!pinned) return pinned.error();
    restored |= *pinned;
  }
  return restored;
}

std::vector<unsigned> XdpLinks::interfaces() const {
  std::vector<unsigned> result;
  for (const auto& [ifindex, link] : links_)
    result.push_back(ifindex);
  return result;
}

}  // namespace xlb
