// What every part of the configuration's model holds: where it was said, and commands to run.
#pragma once

#include <compare>
#include <string>
#include <utility>
#include <vector>

namespace xlb {

// Where in the configuration something was said; line and column count from 1. `file` is as the
// user wrote it (or as `include` reached it).
struct Place {
  std::string file;
  int line = 0;
  int column = 0;

  auto operator<=>(const Place&) const = default;
};

// The place of something that was said: no part of its value, so two configurations that differ in
// nothing else are equal.
struct Origin : Place {
  Origin() = default;
  explicit Origin(Place place) : Place(std::move(place)) {}
  Origin& operator=(Place place) {
    static_cast<Place&>(*this) = std::move(place);
    return *this;
  }
  bool operator==(const Origin&) const { return true; }
};

// A command as argv; argv[0] is the program. Never run through a shell.
struct ScriptCommand {
  std::vector<std::string> argv;
  std::string user;  // empty: global script_user, else root
  std::string group;
  Origin place;

  bool operator==(const ScriptCommand&) const = default;
};

}  // namespace xlb
