// "ADDR:PORT" as users write it in a file or on a command line.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "core/types.h"

namespace xlb {

// "127.0.0.1:9780" or "none" (nullopt).
Result<std::optional<Endpoint>> parse_listen(std::string_view text);

}  // namespace xlb
