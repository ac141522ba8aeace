#include "core/endpoint_text.h"

#include <charconv>

namespace xlb {

Result<std::optional<Endpoint>> parse_listen(std::string_view text) {
  if (text == "none") return std::optional<Endpoint>();
  const auto wrong = [&] {
    return fail("cannot listen on '{}': not ADDR:PORT or none, e.g. 127.0.0.1:9780", text);
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  const auto address = IpAddress::parse(text.substr(0, colon));
  const std::string_view digits = text.substr(colon + 1);
  unsigned port = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool number = code == std::errc() && end == digits.data() + digits.size();
  if (!address || !number || port == 0 || port > 65535) return wrong();
  return std::optional<Endpoint>(Endpoint{*address, static_cast<uint16_t>(port)});
}

}  // namespace xlb
