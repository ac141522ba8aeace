#include "model.h"

#include <arpa/inet.h>
#include <linux/bpf.h>

#include "model_forward.h"
#include "model_parse.h"
#include "model_select.h"

namespace xlb::oracle {
namespace {

Connection connection_of(const Parsed& parsed) {
  if (parsed.kind == Kind::icmp_error)
    return {.family = parsed.family,
            .protocol = parsed.inner_protocol,
            .client = parsed.inner_destination,
            .client_port = parsed.inner_destination_port,
            .server = parsed.inner_source,
            .server_port = parsed.inner_source_port};
  return {.family = parsed.family,
          .protocol = parsed.protocol,
          .client = parsed.source,
          .client_port = parsed.source_port,
          .server = parsed.destination,
          .server_port = parsed.destination_port};
}

Decision left(xlb_verdict reason, const Bytes& frame) {
  return {reason, action_of(reason), frame};
}

// RFC 9568 7.3: which virtual router a MAC address is of.
bool is_virtual_mac(const xlb_interface& interface, const Bytes& frame) {
  for (unsigned version = 0; version < 2; ++version) {
    const Mac prefix{0x00, 0x00, 0x5e, 0x00, static_cast<uint8_t>(version + 1), 0};
    if (std::memcmp(frame.data(), prefix.data(), 5) != 0) continue;
    const unsigned vrid = frame[5];
    return (interface.virtual_routers[version][vrid / 32] & (1U << (vrid % 32))) != 0;
  }
  return false;
}

bool to_own_mac(const Tables& tables, const Bytes& frame, const Arrival& arrival) {
  const xlb_interface* interface = interface_at(tables, arrival.ifindex);
  return interface != nullptr &&
         (std::memcmp(frame.data(), interface->mac, 6) == 0 || is_virtual_mac(*interface, frame));
}

bool from_peer(const Tables& tables, const Bytes& frame, uint16_t service_id) {
  return tables.peers.contains({mac_at(frame, 6), service_id});
}

// Balanced before: for the own real server, or for nobody.
Decision of_peer(const xlb_service& service, const Bytes& frame) {
  return left(service.local_real_server != 0 ? XLB_PASS_PEER_LOCAL : XLB_DROP_PEER, frame);
}

FragmentKey fragment_key(const Parsed& parsed) {
  return {.source = parsed.source,
          .destination = parsed.destination,
          .identification = parsed.identification_word,
          .protocol = parsed.family == XLB_IPV6 ? uint8_t{0} : parsed.protocol,
          .family = parsed.family};
}

Decision nobody(Tables& tables, const Bytes& frame, const Parsed& parsed,
                const xlb_service& service) {
  xlb_traffic& unserved = tables.unserved[service.id];
  unserved.packets++;
  unserved.bytes += parsed.ip_bytes;
  return left(XLB_PASS_NO_REAL_SERVER, frame);
}

const xlb_service* service_with(const Tables& tables, uint16_t id) {
  for (const xlb_service& service : tables.services)
    if (service.id == id && service.key.protocol != 0) return &service;
  return nullptr;
}

// The virtual server that its first fragment went to, and by which way; else the one that takes
// fragments of unknown beginning.
struct Owner {
  const xlb_service* service = nullptr;
  uint32_t real_server = 0;
};

Owner owner_of_fragment(const Tables& tables, const Parsed& parsed, const xlb_service& address,
                        uint32_t now_s) {
  const auto noted = tables.fragments.find(fragment_key(parsed));
  if (noted != tables.fragments.end() && now_s - noted->second.second <= XLB_FRAGMENT_TIMEOUT_S) {
    const uint32_t index = noted->second.real_server;
    const xlb_service* service = index == 0 || index >= tables.real_servers.size()
                                     ? nullptr
                                     : service_with(tables, tables.real_servers[index].service_id);
    if (service != nullptr)
      return {service, usable(tables, index, service->id, XLB_RS_FORWARD) ? index : 0};
  }
  uint16_t id = 0;
  if (parsed.protocol == kTcp) id = address.fragments_tcp;
  if (parsed.protocol == kUdp) id = address.fragments_udp;
  const xlb_service* service = id == 0 ? nullptr : service_with(tables, id);
  if (service == nullptr) return {};
  Connection connection = connection_of(parsed);
  connection.server_port = ntohs(service->key.port);
  return {service, select_without_memory(tables, *service, connection, now_s)};
}

Decision decide_later_fragment(Tables& tables, const Bytes& frame, const Parsed& parsed,
                               const Arrival& arrival) {
  const xlb_service* address = find_service(tables, parsed.destination, 0, 0, parsed.family);
  if (address == nullptr) return left(XLB_PASS_NOT_OURS, frame);
  if (!to_own_mac(tables, frame, arrival)) return left(XLB_PASS_OTHER_MAC, frame);
  if (!lengths_fit(frame, parsed)) return left(XLB_DROP_MALFORMED, frame);
  const Owner owner = owner_of_fragment(tables, parsed, *address, arrival.now_s);
  if (owner.service == nullptr) return left(XLB_DROP_FRAGMENT, frame);
  if (from_peer(tables, frame, owner.service->id)) return of_peer(*owner.service, frame);
  if (owner.real_server == 0) return nobody(tables, frame, parsed, *owner.service);
  return forward(tables, frame, parsed, owner.real_server, arrival);
}

Decision decide_icmp_error(Tables& tables, const Bytes& frame, const Parsed& parsed,
                           const Arrival& arrival) {
  const Connection connection = connection_of(parsed);
  const xlb_service* service = service_for(tables, connection);
  if (service == nullptr) return left(XLB_PASS_NOT_OURS, frame);
  if (!to_own_mac(tables, frame, arrival)) return left(XLB_PASS_OTHER_MAC, frame);
  if (!lengths_fit(frame, parsed)) return left(XLB_DROP_MALFORMED, frame);
  if (from_peer(tables, frame, service->id)) return of_peer(*service, frame);
  const uint32_t chosen = select_for_error(tables, *service, connection, arrival.now_s);
  if (chosen == 0) return nobody(tables, frame, parsed, *service);
  return forward(tables, frame, parsed, chosen, arrival);
}

Decision decide_transport(Tables& tables, const Bytes& frame, const Parsed& parsed,
                          const Arrival& arrival) {
  const Connection connection = connection_of(parsed);
  const xlb_service* service = service_for(tables, connection);
  if (service == nullptr) return left(XLB_PASS_NOT_OURS, frame);
  if (!to_own_mac(tables, frame, arrival)) return left(XLB_PASS_OTHER_MAC, frame);
  if (!lengths_fit(frame, parsed)) return left(XLB_DROP_MALFORMED, frame);
  if (!flags_possible(parsed)) return left(XLB_DROP_FLAGS, frame);
  if (from_peer(tables, frame, service->id)) {
    // The other fragments must be known as the peer's too.
    if (parsed.kind == Kind::first_fragment && service->local_real_server != 0)
      tables.fragments[fragment_key(parsed)] = {service->local_real_server, arrival.now_s};
    return of_peer(*service, frame);
  }
  const uint32_t chosen = select_for_packet(tables, *service, connection, parsed, arrival.now_s);
  if (parsed.kind == Kind::first_fragment)
    tables.fragments[fragment_key(parsed)] = {chosen, arrival.now_s};
  if (chosen == 0) return nobody(tables, frame, parsed, *service);
  return forward(tables, frame, parsed, chosen, arrival);
}

}  // namespace

uint32_t action_of(xlb_verdict reason) {
  switch (reason) {
    case XLB_TX:
    case XLB_TX_TIME_EXCEEDED:
    case XLB_TX_TOO_BIG:
      return XDP_TX;
    case XLB_REDIRECT:
      return XDP_REDIRECT;
    case XLB_PASS_NOT_OURS:
    case XLB_PASS_OTHER_MAC:
    case XLB_PASS_LOCAL:
    case XLB_PASS_PEER_LOCAL:
    case XLB_PASS_NO_REAL_SERVER:
      return XDP_PASS;
    default:
      return XDP_DROP;
  }
}

Decision decide(Tables& tables, const Bytes& frame, const Arrival& arrival) {
  const Parsed parsed = parse(frame);
  Decision decision;
  switch (parsed.kind) {
    case Kind::transport:
    case Kind::first_fragment:
      decision = decide_transport(tables, frame, parsed, arrival);
      break;
    case Kind::later_fragment:
      decision = decide_later_fragment(tables, frame, parsed, arrival);
      break;
    case Kind::icmp_error:
      decision = decide_icmp_error(tables, frame, parsed, arrival);
      break;
    case Kind::other:
      decision = left(XLB_PASS_NOT_OURS, frame);
  }
  tables.verdicts[decision.reason]++;
  return decision;
}

}  // namespace xlb::oracle
