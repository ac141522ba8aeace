// Text from outside (names, reasons, answers of real servers) on its way into a document.
#pragma once

#include <string>
#include <string_view>

namespace xlb {

// UTF-8 without control characters but for the newline: every byte that is neither, and every
// control character, becomes U+FFFD.
std::string clean_text(std::string_view text);

}  // namespace xlb
