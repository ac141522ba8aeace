// The version this daemon or command was built as.
#pragma once

namespace xlb {

extern const char* const kVersion;

}  // namespace xlb
