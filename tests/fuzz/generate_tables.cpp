#include <arpa/inet.h>

#include <algorithm>

#include "generate.h"
#include "generate_world.h"
#include "model_select.h"

namespace xlb::oracle {
namespace {

constexpr uint32_t kSlotsPerRun = 16;
constexpr uint32_t kUsable = XLB_RS_FORWARD | XLB_RS_ACCEPT;

class TablesMaker {
 public:
  TablesMaker(Random& random, uint32_t now_s, std::span<const uint32_t> ports)
      : random_(random), now_s_(now_s), ports_(ports) {}

  Tables make() {
    make_settings();
    make_services();
    make_real_servers();
    make_slots();
    make_addresses();
    make_interfaces();
    make_flows();
    make_clients();
    make_fragments();
    for (const uint32_t port : ports_)
      if (random_.percent(70)) tables_.ports.insert(port);
    return tables_;
  }

 private:
  void make_settings() {
    auto& settings = tables_.settings;
    settings.timeout_s[XLB_FLOW_SYN_RECV] = XLB_SYN_RECV_TIMEOUT_S;
    settings.timeout_s[XLB_FLOW_ESTABLISHED] = XLB_ESTABLISHED_TIMEOUT_S;
    settings.timeout_s[XLB_FLOW_FIN_WAIT] = XLB_FIN_WAIT_TIMEOUT_S;
    settings.timeout_s[XLB_FLOW_CLOSE] = XLB_CLOSE_TIMEOUT_S;
    settings.timeout_s[XLB_FLOW_UDP] = XLB_UDP_TIMEOUT_S;
    settings.timeout_s[XLB_FLOW_UDP_ONE] = XLB_UDP_TIMEOUT_S;
    if (random_.percent(20))
      for (uint32_t state = XLB_FLOW_SYN_RECV; state <= XLB_FLOW_UDP_ONE; state++)
        settings.timeout_s[state] = random_.below(100);
    settings.any_port = random_.percent(85) ? 1 : 0;
    settings.icmp_errors_per_second = random_.percent(30) ? random_.below(4) : 100000;
  }

  void make_services() {
    const uint32_t count = random_.between(1, 10);
    for (uint32_t id = 1; id <= count; id++) {
      xlb_service service{};
      service.key = random_key();
      const auto same = [&](const xlb_service& other) {
        return same_bytes(other.key, service.key);
      };
      if (std::any_of(tables_.services.begin(), tables_.services.end(), same)) continue;
      service.id = static_cast<uint16_t>(id);
      service.scheduling = static_cast<uint8_t>(random_.below(XLB_SCHEDULE_NQ + 1));
      service.hash_input = static_cast<uint8_t>(random_.percent(90) ? random_.between(1, 3) : 0);
      const uint8_t whole = service.key.family == XLB_IPV4 ? 32 : 128;
      service.persistence_prefix = whole;
      if (random_.percent(40)) {
        service.persistence_timeout_s = random_.percent(80) ? 50 : random_.between(1, 1000);
        if (random_.percent(50))
          service.persistence_prefix = static_cast<uint8_t>(random_.between(0, whole));
        if (random_.percent(30)) service.persistence_prefix = whole == 32 ? 24 : 64;
      }
      if (random_.percent(15)) service.flags = XLB_SERVICE_ONE_PACKET;
      if (random_.percent(50)) service.local_real_server = random_.between(1, kRealServers - 1);
      tables_.services.push_back(service);
    }
  }

  xlb_service_key random_key() {
    xlb_service_key key{};
    key.family = random_.percent(50) ? XLB_IPV4 : XLB_IPV6;
    const Address address = virtual_address(key.family, random_.below(kVirtualAddresses));
    std::memcpy(key.address, address.data(), sizeof(key.address));
    key.port = random_.percent(20) ? uint16_t{0} : htons(random_.pick(kServerPorts));
    key.protocol = random_.percent(60) ? kTcp : kUdp;
    return key;
  }

  void make_real_servers() {
    for (uint32_t index = 1; index < kRealServers; index++) {
      xlb_real_server& one = tables_.real_servers[index];
      if (random_.percent(5)) continue;
      one.service_id = random_.pick(tables_.services).id;
      one.flags = kUsable;
      if (random_.percent(15)) one.flags = static_cast<uint16_t>(random_.below(4));
      const Mac mac{0x02, 0, 0, 0, 0x01, static_cast<uint8_t>(index)};
      std::copy(mac.begin(), mac.end(), one.destination_mac);
      std::copy(kOwnMac.begin(), kOwnMac.end(), one.source_mac);
      one.source_mac[3] = static_cast<uint8_t>(random_.below(2));
      one.ifindex = random_.percent(75) ? kIngress : random_.pick(ports_);
      one.weight = random_.percent(10) ? 0 : random_.between(1, 5);
      if (random_.percent(12)) one.flags |= XLB_RS_LOCAL;
      if (random_.percent(35)) make_tunnel(one, index);
    }
  }

  void make_tunnel(xlb_real_server& one, uint32_t index) {
    one.flags |= XLB_RS_TUNNEL;
    one.family = random_.percent(50) ? XLB_IPV4 : XLB_IPV6;
    one.encapsulation = random_.percent(50) ? XLB_IPIP : XLB_GUE;
    const bool v4 = one.family == XLB_IPV4;
    const Address to = address_of((v4 ? "192.0.2." : "2001:db8:2::") + std::to_string(index));
    const Address from = address_of(v4 ? "192.0.2.254" : "2001:db8:2::fe");
    std::memcpy(one.address, to.data(), sizeof(one.address));
    std::memcpy(one.tunnel_source, from.data(), sizeof(one.tunnel_source));
    one.tunnel_port = htons(static_cast<uint16_t>(random_.percent(80) ? 6080 : random_.next()));
    static constexpr std::array<uint16_t, 6> kMtus{0, 1500, 1480, 1280, 9000, 200};
    one.mtu = random_.percent(90) ? random_.pick(kMtus)
                                  : static_cast<uint16_t>(random_.between(140, 300));
  }

  // Mostly of the service; sometimes of another, none, or out of range.
  uint32_t random_real_server(uint16_t service_id) {
    if (random_.percent(8)) return random_.below(kRealServers + 4);
    for (int attempt = 0; attempt < 30; attempt++) {
      const uint32_t index = random_.between(1, kRealServers - 1);
      if (tables_.real_servers[index].service_id == service_id) return index;
    }
    return 0;
  }

  void make_slots() {
    for (xlb_service& service : tables_.services) {
      const uint32_t base = service.id * 2 * kSlotsPerRun;
      const auto run = [&](uint32_t offset) {
        const uint32_t length = random_.percent(8) ? 0 : random_.between(1, kSlotsPerRun);
        for (uint32_t i = 0; i < length; i++)
          tables_.slots[offset + i] = random_real_server(service.id);
        return XLB_SLOTS_OF(offset, length);
      };
      service.ring = run(base);
      service.hash = run(base + kSlotsPerRun);
      tables_.schedulers[service.id].cursor =
          random_.percent(10) ? random_.next() : random_.below(50);
    }
    for (xlb_load& load : tables_.loads)
      load = {random_.below(4), random_.below(300), {}};
  }

  uint16_t random_service_of(const xlb_service_key& key, uint8_t protocol) {
    if (random_.percent(40)) return 0;
    for (const xlb_service& service : tables_.services) {
      if (service.key.protocol == protocol && service.key.family == key.family &&
          std::memcmp(service.key.address, key.address, sizeof(key.address)) == 0 &&
          random_.percent(70))
        return service.id;
    }
    return random_.percent(5) ? static_cast<uint16_t>(random_.below(kServices)) : uint16_t{0};
  }

  void make_addresses() {
    for (const uint8_t family : {uint8_t{XLB_IPV4}, uint8_t{XLB_IPV6}}) {
      for (uint32_t number = 0; number < kVirtualAddresses; number++) {
        if (random_.percent(15)) continue;
        xlb_service entry{};
        entry.key.family = family;
        const Address address = virtual_address(family, number);
        std::memcpy(entry.key.address, address.data(), sizeof(entry.key.address));
        entry.fragments_tcp = random_service_of(entry.key, kTcp);
        entry.fragments_udp = random_service_of(entry.key, kUdp);
        tables_.services.push_back(entry);
      }
    }
  }

  void make_interfaces() {
    xlb_interface other{};
    other.ifindex = kIngress + XLB_INTERFACE_SLOTS;  // meets the other's place
    other.mac[0] = 0x06;
    if (random_.percent(30)) tables_.interfaces.push_back(other);
    xlb_interface own{};
    own.ifindex = kIngress;
    std::copy(kOwnMac.begin(), kOwnMac.end(), own.mac);
    const Address address = address_of("10.10.0.254");
    const Address address6 = address_of("2001:db8:10::fe");
    if (random_.percent(85)) std::memcpy(&own.address, address.data(), 4);
    if (random_.percent(85)) std::memcpy(own.address6, address6.data(), 16);
    if (random_.percent(30)) own.virtual_routers[0][kVrid / 32] |= 1U << (kVrid % 32);
    if (random_.percent(30)) own.virtual_routers[1][kVrid / 32] |= 1U << (kVrid % 32);
    if (random_.percent(98)) tables_.interfaces.push_back(own);
    for (const xlb_service& service : tables_.services) {
      for (const Mac& mac : kPeerMacs)
        if (random_.percent(30)) tables_.peers.insert({mac, service.id});
    }
  }

  Connection random_connection(const xlb_service& service) {
    Connection connection;
    connection.family = service.key.family;
    connection.protocol = service.key.protocol;
    connection.client = client_address(service.key.family, random_.below(kClients));
    connection.client_port = random_client_port(random_);
    std::memcpy(connection.server.data(), service.key.address, sizeof(service.key.address));
    connection.server_port =
        service.key.port != 0 ? ntohs(service.key.port) : random_.pick(kServerPorts);
    return connection;
  }

  const xlb_service& random_service() {
    for (;;) {
      const xlb_service& service = random_.pick(tables_.services);
      if (service.key.protocol != 0) return service;
    }
  }

  uint32_t random_second(uint32_t timeout_s) {
    const std::array<uint32_t, 8> edges{0,
                                        1,
                                        XLB_LIVE_FLOW_S - 1,
                                        XLB_LIVE_FLOW_S,
                                        XLB_LIVE_FLOW_S + 1,
                                        timeout_s == 0 ? 0 : timeout_s - 1,
                                        timeout_s,
                                        timeout_s + 1};
    if (random_.percent(3)) return now_s_ + 2;  // another CPU's clock
    return now_s_ - (random_.percent(40) ? random_.pick(edges) : random_.below(1500));
  }

  uint64_t random_flow_value(const xlb_service& service) {
    static constexpr std::array<uint32_t, 6> kTcpStates{XLB_FLOW_SYN_RECV,    XLB_FLOW_ESTABLISHED,
                                                        XLB_FLOW_ESTABLISHED, XLB_FLOW_ESTABLISHED,
                                                        XLB_FLOW_FIN_WAIT,    XLB_FLOW_CLOSE};
    static constexpr std::array<uint32_t, 2> kUdpStates{XLB_FLOW_UDP, XLB_FLOW_UDP_ONE};
    const uint32_t state =
        service.key.protocol == kTcp ? random_.pick(kTcpStates) : random_.pick(kUdpStates);
    const uint32_t second = random_.percent(crowded_)
                                ? now_s_ - random_.below(XLB_LIVE_FLOW_S + 3)
                                : random_second(tables_.settings.timeout_s[state]);
    return XLB_FLOW_VALUE(random_real_server(service.id), second, state);
  }

  void make_flows() {
    static constexpr std::array<uint32_t, 5> kAttempts{0, 20, 60, 120, 400};
    crowded_ = random_.percent(25) ? 95 : 0;
    const uint32_t attempts = crowded_ != 0 ? 400 : random_.pick(kAttempts);
    for (uint32_t attempt = 0; attempt < attempts; attempt++) {
      const xlb_service& service = random_service();
      Connection connection = random_connection(service);
      if (random_.percent(60)) connection.client_port = static_cast<uint16_t>(random_.next());
      const uint64_t key = flow_key(connection, service);
      const auto has_key = [&](const xlb_flow& flow) { return flow.key == key; };
      if (std::any_of(tables_.flows.begin(), tables_.flows.end(), has_key)) continue;
      const size_t bucket = home_bucket(key, kFlowBuckets) ^ (random_.percent(30) ? 1U : 0U);
      const size_t place = bucket * XLB_FLOWS_PER_BUCKET + random_.below(XLB_FLOWS_PER_BUCKET);
      xlb_flow& flow = tables_.flows[place];
      if (flow.key != 0) continue;
      flow = {key, random_.percent(3) ? 0 : random_flow_value(service)};
      count(flow.value);
    }
  }

  void count(uint64_t value) {
    const uint32_t index = XLB_FLOW_REAL_SERVER(value);
    if (value == 0 || index >= kRealServers) return;
    xlb_load& load = tables_.loads[index];
    (XLB_FLOW_STATE(value) == XLB_FLOW_ESTABLISHED ? load.active : load.inactive)++;
  }

  void make_clients() {
    for (uint32_t attempt = random_.below(40); attempt > 0; attempt--) {
      const xlb_service& service = random_service();
      const uint64_t key = client_key(random_connection(service), service);
      const auto has_key = [&](const xlb_client& client) { return client.key == key; };
      if (std::any_of(tables_.clients.begin(), tables_.clients.end(), has_key)) continue;
      const size_t place = home_bucket(key, kClientBuckets) * XLB_PERSISTENCE_PER_BUCKET +
                           random_.below(XLB_PERSISTENCE_PER_BUCKET);
      xlb_client& client = tables_.clients[place];
      if (client.key != 0) continue;
      client.key = key;
      if (random_.percent(4)) continue;
      client.value = XLB_FLOW_VALUE(random_real_server(service.id),
                                    random_second(service.persistence_timeout_s), 1);
      if (random_.percent(40)) client.live = now_s_ - random_.below(2 * XLB_LIVE_GRACE_S);
    }
  }

  void make_fragments() {
    for (uint32_t i = random_.below(12); i > 0; i--) {
      const xlb_service& service = random_service();
      const Connection connection = random_connection(service);
      const uint32_t number = random_.below(4);
      const uint32_t word =
          service.key.family == XLB_IPV4 ? htons(static_cast<uint16_t>(number)) : htonl(number);
      const FragmentKey key{
          .source = connection.client,
          .destination = connection.server,
          .identification = word,
          .protocol = service.key.family == XLB_IPV4 ? connection.protocol : uint8_t{0},
          .family = connection.family};
      tables_.fragments[key] = {random_real_server(service.id), now_s_ - random_.below(40)};
    }
  }

  Random& random_;
  uint32_t now_s_;
  std::span<const uint32_t> ports_;
  uint32_t crowded_ = 0;  // percent of the flows that had a packet just now
  Tables tables_;
};

}  // namespace

Tables random_tables(Random& random, uint32_t now_s, std::span<const uint32_t> ports) {
  return TablesMaker(random, now_s, ports).make();
}

}  // namespace xlb::oracle
