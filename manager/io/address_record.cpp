#include "io/address_record.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace xlb {

AddressRecord::AddressRecord(std::string path) : path_(std::move(path)) {
  std::ifstream file(path_);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string interface;
    std::string address;
    int prefix_length = -1;
    if (!(words >> interface >> address >> prefix_length)) continue;
    const auto parsed = IpAddress::parse(address);
    if (!parsed || prefix_length < 0 || prefix_length > 128) continue;
    entries_.insert({interface, {*parsed, static_cast<uint8_t>(prefix_length)}});
  }
}

Result<void> AddressRecord::add(const Entry& entry) {
  if (!entries_.insert(entry).second) return {};
  return save();
}

Result<void> AddressRecord::remove(const Entry& entry) {
  if (entries_.erase(entry) == 0) return {};
  return save();
}

Result<void> AddressRecord::save() const {
  if (entries_.empty()) {
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
      return fail_errno(errno, "cannot remove {}", path_);
    }
    return {};
  }
  const std::string aside = path_ + ".new";
  {
    std::ofstream file(aside, std::ios::trunc);
    for (const auto& [interface, address] : entries_) {
      file << interface << ' ' << address.address.to_string() << ' '
           << static_cast<int>(address.prefix_length) << '\n';
    }
    if (!file.flush()) return fail("cannot write {}", aside);
  }
  if (std::rename(aside.c_str(), path_.c_str()) != 0) {
    return fail_errno(errno, "cannot rename {} to {}", aside, path_);
  }
  return {};
}

}  // namespace xlb
