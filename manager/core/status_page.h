// The status as an HTML page (GET /): for a look with a browser, through a forwarded port. It needs
// nothing from elsewhere and no script; it loads itself again every few seconds.
#pragma once

#include <string>
#include <string_view>

#include "core/status.h"

namespace xlb {

inline constexpr std::string_view kStatusPageType = "text/html; charset=utf-8";
// What the browser may load for it: nothing but its own style.
inline constexpr std::string_view kStatusPagePolicy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

std::string status_page(const Status& status);

}  // namespace xlb
