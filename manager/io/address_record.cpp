#include "io/address_record.h"

#include <fstream>
#include <sstream>

#include "io/record_file.h"

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
  std::string text;
  for (const auto& [interface, address] : entries_) {
    text += fmt::format("{} {} {}\n", interface, address.address, address.prefix_length);
  }
  return save_record(path_, text);
}

}  // namespace xlb
