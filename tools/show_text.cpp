#include "show_text.h"

#include <fmt/format.h>

namespace xlb::show {

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, the other half of the control characters, is C2 80 to C2 9F in UTF-8.
    const bool long_control =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (long_control) ++i;
    result += long_control || byte < 0x20 || byte == 0x7f ? '?' : text[i];
  }
  return result;
}

std::string text(const Json& object, const char* name) {
  return printable(object.at(name).get_ref<const std::string&>());
}

uint64_t number(const Json& object, const char* name) {
  return object.at(name).get<uint64_t>();
}

std::string endpoint(const Json& object, const std::string& prefix) {
  const std::string address = text(object, (prefix + "address").c_str());
  const uint64_t port = number(object, (prefix + "port").c_str());
  if (address.find(':') != std::string::npos) return fmt::format("[{}]:{}", address, port);
  return fmt::format("{}:{}", address, port);
}

std::string service_name(const Json& virtual_server) {
  if (text(virtual_server, "protocol") != "FWM") return endpoint(virtual_server, "");
  const bool is_v4 = text(virtual_server, "address").find(':') == std::string::npos;
  return fmt::format("{}{}", number(virtual_server, "fwmark"), is_v4 ? "" : " IPv6");
}

std::vector<Json> servers_of(const Json& virtual_server) {
  const Json& real_servers = virtual_server.at("real_servers");
  std::vector<Json> result(real_servers.begin(), real_servers.end());
  const auto sorry = virtual_server.find("sorry_server");
  if (sorry == virtual_server.end() || !sorry->is_object()) return result;
  result.push_back(*sorry);
  result.back()["sorry"] = true;
  return result;
}

}  // namespace xlb::show
