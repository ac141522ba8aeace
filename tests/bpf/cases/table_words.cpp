#include "table_words.h"

#include <arpa/inet.h>

#include <algorithm>
#include <stdexcept>

#include "kernel.h"
#include "model_select.h"
#include "world.h"

namespace xlb::cases {
namespace {

uint8_t protocol_named(const std::string& name) {
  if (name == "tcp") return 6;
  if (name == "udp") return 17;
  throw std::invalid_argument("neither tcp nor udp: " + name);
}

uint8_t scheduling_named(const std::string& name) {
  static const std::map<std::string, uint8_t> kNames{
      {"ring", XLB_SCHEDULE_RING}, {"hash", XLB_SCHEDULE_HASH}, {"lc", XLB_SCHEDULE_LC},
      {"wlc", XLB_SCHEDULE_WLC},   {"sed", XLB_SCHEDULE_SED},   {"nq", XLB_SCHEDULE_NQ}};
  const auto found = kNames.find(name);
  if (found == kNames.end()) throw std::invalid_argument("no scheduler " + name);
  return found->second;
}

// "tcp 40000>80 [by NAME] [at NAME]": a connection of the client's.
oracle::Connection connection_of(Words& words, uint8_t family) {
  oracle::Connection connection;
  connection.family = family;
  connection.protocol = protocol_named(words.next());
  const auto ports = split(words.next(), ">");
  connection.client = address_named("client", family);
  connection.server = address_named("vip", family);
  connection.client_port = static_cast<uint16_t>(number_of(ports.at(0)));
  connection.server_port = static_cast<uint16_t>(number_of(ports.at(1)));
  while (!words.empty() && (words.peek() == "by" || words.peek() == "at")) {
    const bool by = words.next() == "by";
    (by ? connection.client : connection.server) = address_named(words.next(), family);
  }
  return connection;
}

const xlb_service& taking(const oracle::Tables& tables, const oracle::Connection& connection) {
  const xlb_service* service = oracle::service_for(tables, connection);
  if (service == nullptr) throw std::invalid_argument("no service takes that connection");
  return *service;
}

}  // namespace

uint32_t flow_state_named(const std::string& name) {
  static const std::map<std::string, uint32_t> kNames{{"none", 0},
                                                      {"SYN_RECV", XLB_FLOW_SYN_RECV},
                                                      {"ESTABLISHED", XLB_FLOW_ESTABLISHED},
                                                      {"FIN_WAIT", XLB_FLOW_FIN_WAIT},
                                                      {"CLOSE", XLB_FLOW_CLOSE},
                                                      {"UDP", XLB_FLOW_UDP},
                                                      {"UDP_ONE", XLB_FLOW_UDP_ONE}};
  const auto found = kNames.find(name);
  if (found == kNames.end()) throw std::invalid_argument("no state " + name);
  return found->second;
}

TableWriter::TableWriter(uint8_t family, std::span<const uint32_t> ports)
    : family_(family), ports_(ports) {
  auto& settings = tables_.settings;
  settings.timeout_s[XLB_FLOW_SYN_RECV] = XLB_SYN_RECV_TIMEOUT_S;
  settings.timeout_s[XLB_FLOW_ESTABLISHED] = XLB_ESTABLISHED_TIMEOUT_S;
  settings.timeout_s[XLB_FLOW_FIN_WAIT] = XLB_FIN_WAIT_TIMEOUT_S;
  settings.timeout_s[XLB_FLOW_CLOSE] = XLB_CLOSE_TIMEOUT_S;
  settings.timeout_s[XLB_FLOW_UDP] = XLB_UDP_TIMEOUT_S;
  settings.timeout_s[XLB_FLOW_UDP_ONE] = XLB_UDP_TIMEOUT_S;
  settings.icmp_errors_per_second = XLB_ICMP_ERRORS_PER_SECOND;
  tables_.interfaces.push_back(director_interface());
  tables_.ports.insert(ports[0]);
}

void TableWriter::read(const std::string& line) {
  Words words(line);
  const std::string kind = words.next();
  if (kind == "service")
    read_service(words);
  else if (kind == "address")
    read_address(words);
  else if (kind == "real")
    read_real_server(words);
  else if (kind == "peer")
    read_peer(words);
  else if (kind == "flow")
    read_flow(words);
  else if (kind == "full")
    read_full(words);
  else if (kind == "client")
    read_client(words);
  else if (kind == "fragment")
    read_fragment(words);
  else if (kind == "any-port")
    tables_.settings.any_port = 1;
  else if (kind == "errors")
    tables_.settings.icmp_errors_per_second = words.number();
  else if (kind == "timeout") {
    const uint32_t state = flow_state_named(words.next());
    tables_.settings.timeout_s[state] = words.number();
  } else if (kind == "no-interface")
    tables_.interfaces.clear();
  else if (kind == "no-address") {
    tables_.interfaces.at(0).address = 0;
    std::fill_n(tables_.interfaces.at(0).address6, 4, 0);
  } else if (kind == "load") {
    const uint32_t index = words.number();
    tables_.loads.at(index).active = words.number();
    tables_.loads.at(index).inactive = words.number();
  } else
    throw std::invalid_argument("not a line about tables: " + kind);
  if (!words.empty()) throw std::invalid_argument("too many words: " + words.peek());
}

uint64_t TableWriter::read_run(const std::string& list, uint32_t service_id) {
  const uint32_t offset = next_slot_;
  for (const std::string& one : split(list, ",")) {
    const uint32_t index = number_of(one);
    tables_.slots.at(next_slot_++) = index;
    xlb_real_server& real_server = tables_.real_servers.at(index);
    if (real_server.service_id == 0) real_server.service_id = static_cast<uint16_t>(service_id);
  }
  return XLB_SLOTS_OF(offset, next_slot_ - offset);
}

// service NAME tcp|udp PORT [at ADDRESS] [ring LIST] [hash LIST] [by LC|...] [on address|port|both]
//   [persist SECONDS] [prefix V4/V6] [local INDEX] [one-packet]
void TableWriter::read_service(Words& words) {
  xlb_service service{};
  const std::string name = words.next();
  const auto id = static_cast<uint32_t>(services_.size() + 1);
  services_[name] = id;
  service.id = static_cast<uint16_t>(id);
  service.key.family = family_;
  service.key.protocol = protocol_named(words.next());
  service.key.port = htons(static_cast<uint16_t>(words.number()));
  service.hash_input = XLB_HASH_SOURCE_ADDRESS | XLB_HASH_SOURCE_PORT;
  service.persistence_prefix = family_ == XLB_IPV4 ? 32 : 128;
  oracle::Address address = address_named("vip", family_);
  while (!words.empty()) {
    const std::string word = words.next();
    if (word == "at")
      address = address_named(words.next(), family_);
    else if (word == "ring")
      service.ring = read_run(words.next(), id);
    else if (word == "hash")
      service.hash = read_run(words.next(), id);
    else if (word == "by")
      service.scheduling = scheduling_named(words.next());
    else if (word == "on") {
      const std::string what = words.next();
      service.hash_input = what == "address" ? XLB_HASH_SOURCE_ADDRESS
                           : what == "port"  ? XLB_HASH_SOURCE_PORT
                                             : XLB_HASH_SOURCE_ADDRESS | XLB_HASH_SOURCE_PORT;
    } else if (word == "persist")
      service.persistence_timeout_s = words.number();
    else if (word == "prefix") {
      const auto both = split(words.next(), "/");
      service.persistence_prefix =
          static_cast<uint8_t>(number_of(both.at(family_ == XLB_IPV4 ? 0 : 1)));
    } else if (word == "local")
      service.local_real_server = words.number();
    else if (word == "one-packet")
      service.flags |= XLB_SERVICE_ONE_PACKET;
    else
      throw std::invalid_argument("not a word of a service: " + word);
  }
  std::memcpy(service.key.address, address.data(), sizeof(service.key.address));
  tables_.services.push_back(service);
}

const xlb_service& TableWriter::service(const std::string& name) const {
  for (const xlb_service& service : tables_.services)
    if (service.key.protocol != 0 && service.id == services_.at(name)) return service;
  throw std::invalid_argument("no service " + name);
}

// address NAME [tcp SERVICE] [udp SERVICE]: a virtual server's address; who takes its fragments.
void TableWriter::read_address(Words& words) {
  xlb_service entry{};
  entry.key.family = family_;
  const oracle::Address address = address_named(words.next(), family_);
  std::memcpy(entry.key.address, address.data(), sizeof(entry.key.address));
  while (!words.empty()) {
    const bool tcp = words.next() == "tcp";
    (tcp ? entry.fragments_tcp : entry.fragments_udp) = service(words.next()).id;
  }
  tables_.services.push_back(entry);
}

// real INDEX METHOD [of SERVICE] [mtu N] [weight N] [drained|down|accept-only]
void TableWriter::read_real_server(Words& words) {
  const uint32_t index = words.number();
  xlb_real_server& one = tables_.real_servers.at(index);
  const uint16_t service_id = one.service_id;
  one = real_server_with(words.next(), index, family_, ports_);
  one.service_id = service_id;
  while (!words.empty()) {
    const std::string word = words.next();
    if (word == "of")
      one.service_id = service(words.next()).id;
    else if (word == "mtu")
      one.mtu = static_cast<uint16_t>(words.number());
    else if (word == "weight")
      one.weight = words.number();
    else if (word == "drained")
      one.flags &= static_cast<uint16_t>(~XLB_RS_ACCEPT);
    else if (word == "accept-only")
      one.flags &= static_cast<uint16_t>(~XLB_RS_FORWARD);
    else if (word == "down")
      one.flags = 0;
    else
      throw std::invalid_argument("not a word of a real server: " + word);
  }
}

// peer MAC [of SERVICE]: of all services, if none is named
void TableWriter::read_peer(Words& words) {
  const oracle::Mac mac = mac_named(words.next());
  if (!words.empty()) {
    (void)words.next();
    tables_.peers.insert({mac, service(words.next()).id});
    return;
  }
  for (const xlb_service& one : tables_.services)
    if (one.key.protocol != 0) tables_.peers.insert({mac, one.id});
}

void TableWriter::put_flow(uint64_t key, uint64_t value) {
  const size_t home = oracle::home_bucket(key, oracle::kFlowBuckets);
  for (const size_t bucket : {home, home ^ 1U}) {
    for (size_t i = 0; i < XLB_FLOWS_PER_BUCKET; i++) {
      xlb_flow& flow = tables_.flows.at(bucket * XLB_FLOWS_PER_BUCKET + i);
      if (flow.key != 0) continue;
      flow = {key, value};
      xlb_load& load = tables_.loads.at(XLB_FLOW_REAL_SERVER(value));
      (XLB_FLOW_STATE(value) == XLB_FLOW_ESTABLISHED ? load.active : load.inactive)++;
      return;
    }
  }
  throw std::invalid_argument("no room for that flow");
}

// flow CONNECTION STATE REAL_SERVER age SECONDS
void TableWriter::read_flow(Words& words) {
  const auto connection = connection_of(words, family_);
  const uint32_t state = flow_state_named(words.next());
  const uint32_t real_server = words.number();
  (void)words.next();
  put_flow(oracle::flow_key(connection, taking(tables_, connection)),
           XLB_FLOW_VALUE(real_server, oracle::kNow - words.number(), state));
}

// full CONNECTION STATE REAL_SERVER age SECONDS [but ONE_STATE age ONE_SECONDS]: every place that
// the connection could take belongs to another one like this; the fourth is the exception.
void TableWriter::read_full(Words& words) {
  auto connection = connection_of(words, family_);
  const xlb_service& service = taking(tables_, connection);
  const size_t pair =
      oracle::home_bucket(oracle::flow_key(connection, service), oracle::kFlowBuckets) / 2;
  const uint32_t state = flow_state_named(words.next());
  const uint32_t real_server = words.number();
  (void)words.next();
  const uint64_t usual = XLB_FLOW_VALUE(real_server, oracle::kNow - words.number(), state);
  uint64_t exception = usual;
  if (!words.empty()) {
    (void)words.next();
    const uint32_t other = flow_state_named(words.next());
    (void)words.next();
    exception = XLB_FLOW_VALUE(real_server, oracle::kNow - words.number(), other);
  }
  constexpr uint32_t kPlaces = 2 * XLB_FLOWS_PER_BUCKET;
  constexpr uint32_t kExceptional = 3;
  connection.client = address_named("stranger", family_);
  for (uint32_t made = 0; made < kPlaces; connection.client_port++) {
    const uint64_t key = oracle::flow_key(connection, service);
    if (oracle::home_bucket(key, oracle::kFlowBuckets) / 2 != pair) continue;
    put_flow(key, made == kExceptional ? exception : usual);
    made++;
  }
}

// client NAME SERVICE REAL_SERVER age SECONDS [live SECONDS]
void TableWriter::read_client(Words& words) {
  oracle::Connection connection;
  connection.family = family_;
  connection.client = address_named(words.next(), family_);
  const uint64_t key = oracle::client_key(connection, service(words.next()));
  const uint32_t real_server = words.number();
  (void)words.next();
  xlb_client client{key, XLB_FLOW_VALUE(real_server, oracle::kNow - words.number(), 1), 0, 0};
  if (!words.empty()) {
    (void)words.next();
    client.live = oracle::kNow - words.number();
  }
  const size_t bucket = oracle::home_bucket(key, oracle::kClientBuckets);
  tables_.clients.at(bucket * XLB_PERSISTENCE_PER_BUCKET + 1) = client;
}

// fragment udp ID REAL_SERVER age SECONDS: the first one of the client's packet ID was seen.
void TableWriter::read_fragment(Words& words) {
  const uint8_t protocol = protocol_named(words.next());
  const uint32_t number = words.number();
  const bool v4 = family_ == XLB_IPV4;
  const oracle::FragmentKey key{
      .source = address_named("client", family_),
      .destination = address_named("vip", family_),
      .identification = v4 ? htons(static_cast<uint16_t>(number)) : htonl(number),
      .protocol = v4 ? protocol : uint8_t{0},
      .family = family_};
  const uint32_t real_server = words.number();
  (void)words.next();
  tables_.fragments[key] = {real_server, oracle::kNow - words.number()};
}

}  // namespace xlb::cases
