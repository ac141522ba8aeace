// XDP attachments as pinned links: made, found again after a restart, switched to another program
// without a gap, removed. It knows interfaces and modes, not what the program does.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/config.h"
#include "io/bpf_directory.h"

namespace xlb {

// How an interface came to be attached.
struct Attached {
  std::string mode;    // "native" or "generic"
  std::string reason;  // why not native; empty for native
};

class XdpLinks {
 public:
  // Takes over the links that are pinned; those whose interface is gone are removed.
  static Result<XdpLinks> adopt(const BpfDirectory& directory);

  // Every link runs this program from now on.
  Result<void> switch_to(int program_fd);
  // A link that is there already is kept if its mode is allowed. `mode` is not none.
  Result<Attached> attach(const std::string& interface, unsigned ifindex, AttachMode mode,
                          int program_fd);
  // No link there is success.
  Result<void> detach(unsigned ifindex);
  [[nodiscard]] std::vector<unsigned> interfaces() const;
  // Links that somebody detached or whose interface is gone (no event tells): forgotten, with their
  // pins. Returns their interfaces.
  std::vector<unsigned> forget_detached();
  // A function that says whether forget_detached() would find any now. It may be called on another
  // thread, and waits for the kernel's lock on the network configuration.
  [[nodiscard]] std::function<bool()> inspection() const;
  // Pins again what is pinned no longer; true: something was not.
  Result<bool> restore_pins() const;

 private:
  struct Link {
    UniqueFd fd;
    std::string pin;
  };

  explicit XdpLinks(BpfDirectory directory) : directory_(std::move(directory)) {}
  Result<void> keep(const std::string& interface, unsigned ifindex, UniqueFd link);

  BpfDirectory directory_;
  std::map<unsigned, Link> links_;  // by interface index
};

}  // namespace xlb
