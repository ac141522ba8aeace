// The numbers behind the names that routes and rules are written with: routing tables, protocols,
// scopes, types, realms, groups. What iproute2's files under /etc/iproute2 add is read through the
// door to files; the names the kernel gives meaning to are known without.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/config_address.h"

namespace xlb {

class SourceReader;

enum class NameKind : uint8_t { table, protocol, realm, group, tos };

class RouteNames {
 public:
  RouteNames() = default;
  // Files are read when a name is first looked for; `reader` must outlive this.
  explicit RouteNames(SourceReader& reader) : reader_(&reader) {}

  // A number (decimal, or hexadecimal after 0x; of tos always hexadecimal, as iproute2 has it) or a
  // name.
  std::optional<uint32_t> find(NameKind kind, std::string_view word);

 private:
  using Names = std::map<std::string, uint32_t, std::less<>>;
  const Names& names_of(NameKind kind);

  SourceReader* reader_ = nullptr;
  std::map<NameKind, Names> read_;
};

std::optional<Scope> scope_of(std::string_view word);
std::string_view name_of(Scope scope);

}  // namespace xlb
