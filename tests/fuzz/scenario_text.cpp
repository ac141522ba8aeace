#include "scenario_text.h"

#include <arpa/inet.h>

#include <istream>
#include <ostream>
#include <sstream>
#include <stdexcept>

#include "model_parse.h"

namespace xlb::oracle {
namespace {

std::string to_hex(const void* from, size_t count) {
  static constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < count; i++) {
    const uint8_t byte = static_cast<const uint8_t*>(from)[i];
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

template <typename T>
void write_line(std::ostream& out, const char* kind, size_t index, const T& value) {
  out << kind << " " << index << " " << to_hex(&value, sizeof(value)) << "\n";
}

// Lines for those elements that are not all zero.
template <typename Array>
void write_array(std::ostream& out, const char* kind, const Array& array) {
  for (size_t i = 0; i < array.size(); i++)
    if (!same_bytes(array[i], typename Array::value_type{})) write_line(out, kind, i, array[i]);
}

template <typename T>
T value_of(const std::string& hex) {
  const Bytes bytes = from_hex(hex);
  if (bytes.size() != sizeof(T)) throw std::runtime_error("a value of the wrong size: " + hex);
  T value{};
  std::memcpy(static_cast<void*>(&value), bytes.data(), sizeof(value));
  return value;
}

std::string address_text(const Address& address, uint8_t family) {
  char text[INET6_ADDRSTRLEN] = "";
  return inet_ntop(family == XLB_IPV4 ? AF_INET : AF_INET6, address.data(), text, sizeof(text));
}

struct FragmentLine {
  FragmentKey key;
  xlb_fragment fragment;
};

void read_line(Scenario& scenario, const std::string& kind, size_t index, const std::string& hex) {
  Tables& tables = scenario.tables;
  const auto at = [&](auto& array) {
    using Element = typename std::decay_t<decltype(array)>::value_type;
    array.at(index) = value_of<Element>(hex);
  };
  if (kind == "settings")
    tables.settings = value_of<xlb_settings>(hex);
  else if (kind == "service")
    tables.services.push_back(value_of<xlb_service>(hex));
  else if (kind == "real_server")
    at(tables.real_servers);
  else if (kind == "slot")
    at(tables.slots);
  else if (kind == "interface")
    tables.interfaces.push_back(value_of<xlb_interface>(hex));
  else if (kind == "peer")
    tables.peers.insert(value_of<Peer>(hex));
  else if (kind == "port")
    tables.ports.insert(value_of<uint32_t>(hex));
  else if (kind == "flow")
    at(tables.flows);
  else if (kind == "flow_address")
    at(tables.flow_addresses);
  else if (kind == "client")
    at(tables.clients);
  else if (kind == "client_address")
    at(tables.client_addresses);
  else if (kind == "load")
    at(tables.loads);
  else if (kind == "scheduler")
    at(tables.schedulers);
  else if (kind == "fragment") {
    const auto line = value_of<FragmentLine>(hex);
    tables.fragments[line.key] = line.fragment;
  } else if (kind == "packet")
    scenario.packets.push_back(from_hex(hex));
  else
    throw std::runtime_error("unknown line: " + kind);
}

}  // namespace

void write_scenario(std::ostream& out, const Scenario& scenario) {
  const Tables& tables = scenario.tables;
  write_line(out, "settings", 0, tables.settings);
  for (const auto& service : tables.services)
    write_line(out, "service", service.id, service);
  write_array(out, "real_server", tables.real_servers);
  write_array(out, "slot", tables.slots);
  for (const auto& interface : tables.interfaces)
    write_line(out, "interface", interface.ifindex, interface);
  for (const auto& peer : tables.peers)
    write_line(out, "peer", peer.service_id, peer);
  for (const auto port : tables.ports)
    write_line(out, "port", port, port);
  write_array(out, "flow", tables.flows);
  write_array(out, "flow_address", tables.flow_addresses);
  write_array(out, "client", tables.clients);
  write_array(out, "client_address", tables.client_addresses);
  write_array(out, "load", tables.loads);
  write_array(out, "scheduler", tables.schedulers);
  for (const auto& [key, fragment] : tables.fragments)
    write_line(out, "fragment", 0, FragmentLine{key, fragment});
  for (size_t i = 0; i < scenario.packets.size(); i++) {
    const Bytes& packet = scenario.packets[i];
    out << "# " << describe(packet) << "\n";
    out << "packet " << i << " " << to_hex(packet.data(), packet.size()) << "\n";
  }
}

Scenario read_scenario(std::istream& in) {
  Scenario scenario;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    std::string kind;
    size_t index = 0;
    std::string hex;
    words >> kind >> index >> hex;
    read_line(scenario, kind, index, hex);
  }
  return scenario;
}

std::string describe(const Bytes& packet) {
  static constexpr const char* kKinds[] = {"other", "transport", "first fragment", "later fragment",
                                           "ICMP error"};
  const Parsed parsed = parse(packet);
  std::ostringstream text;
  text << packet.size() << " bytes, " << kKinds[static_cast<size_t>(parsed.kind)];
  if (parsed.family == 0) return text.str();
  text << ", " << address_text(parsed.source, parsed.family) << " " << parsed.source_port << " > "
       << address_text(parsed.destination, parsed.family) << " " << parsed.destination_port
       << ", protocol " << unsigned{parsed.protocol} << ", flags 0x" << std::hex
       << unsigned{parsed.tcp_flags} << std::dec << ", ttl " << unsigned{parsed.ttl}
       << ", headers at " << parsed.ip << " and " << parsed.l4 << ", IP length " << parsed.ip_bytes;
  if (parsed.kind == Kind::icmp_error)
    text << ", quotes " << address_text(parsed.inner_source, parsed.family) << " "
         << parsed.inner_source_port << " > "
         << address_text(parsed.inner_destination, parsed.family) << " "
         << parsed.inner_destination_port;
  return text.str();
}

}  // namespace xlb::oracle
