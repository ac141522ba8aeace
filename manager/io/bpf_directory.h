// The directory of pins: a bpffs of its own, which keeps program, maps and links alive between two
// runs of the daemon. It knows names and files, not what is pinned.
//
//   DIR/xlb            the program           DIR/maps/NAME      the maps in use
//   DIR/link_IFNAME    an XDP attachment     DIR/maps_new/NAME  maps that will replace them
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace xlb {

class BpfDirectory {
 public:
  // Makes the directory and mounts a bpffs there, unless it is one already.
  static Result<BpfDirectory> prepare(std::string path);
  // Detaches every link that is pinned there, removes all pins and unmounts the bpffs if it is
  // mounted just there. Nothing there is success.
  static Result<void> purge(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string program() const { return path_ + "/xlb"; }
  [[nodiscard]] std::string maps() const { return path_ + "/maps"; }
  [[nodiscard]] std::string new_maps() const { return path_ + "/maps_new"; }
  [[nodiscard]] std::string link(std::string_view interface) const;
  // Pins of links, as full paths.
  [[nodiscard]] std::vector<std::string> links() const;

 private:
  explicit BpfDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// The object pinned at `path`; invalid when there is none.
Result<UniqueFd> open_pin(const std::string& path);
Result<void> pin(int fd, const std::string& path);
// True: nothing was there, and now it is pinned.
Result<bool> pin_if_missing(int fd, const std::string& path);
// Pins in place of what is pinned there, with no moment without a pin.
Result<void> replace_pin(int fd, const std::string& path);
Result<void> make_pin_directory(const std::string& path);
// A file, or a directory with the files in it; nothing there is success.
Result<void> remove_pins(const std::string& path);
Result<void> rename_pins(const std::string& from, const std::string& to);

}  // namespace xlb
