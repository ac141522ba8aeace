// Members of a document as printable text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "show_format.h"

namespace xlb::show {

// Control characters become '?': a real server's answer must not steer the reader's terminal.
std::string printable(std::string_view text);

// The member `name`, printable.
std::string text(const Json& object, const char* name);
uint64_t number(const Json& object, const char* name);
// Members PREFIXaddress and PREFIXport: "10.10.0.1:80", "[2001:db8::1]:80".
std::string endpoint(const Json& object, const std::string& prefix);

}  // namespace xlb::show
