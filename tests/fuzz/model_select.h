// Whom a packet goes to: the model of flow table, persistence and schedulers.
#pragma once

#include "model_parse.h"

namespace xlb::oracle {

// What a look-up needs to know of a packet, from the client's point of view; an ICMP error's is
// that of the connection it quotes.
struct Connection {
  uint8_t family = 0;
  uint8_t protocol = 0;
  Address client{};
  uint16_t client_port = 0;
  Address server{};
  uint16_t server_port = 0;
};

const xlb_service* find_service(const Tables& tables, const Address& address, uint16_t port,
                                uint8_t protocol, uint8_t family);
// The service that takes a packet, any-port virtual servers included.
const xlb_service* service_for(const Tables& tables, const Connection& connection);

uint64_t flow_key(const Connection& connection, const xlb_service& service);
uint64_t client_key(const Connection& connection, const xlb_service& service);
// The client's address as persistence sees it.
Address masked_client(const Connection& connection, const xlb_service& service);
uint32_t home_bucket(uint64_t key, uint32_t buckets);

// Is the real server of this service, and has it all these flags? 0 is nobody.
bool usable(const Tables& tables, uint32_t real_server, uint16_t service_id, uint32_t flags);

// Real server index, 0: none.
uint32_t select_for_packet(Tables& tables, const xlb_service& service, const Connection& connection,
                           const Parsed& parsed, uint32_t now_s);
// For a packet that says nothing about its connection's state: an ICMP error.
uint32_t select_for_error(Tables& tables, const xlb_service& service, const Connection& connection,
                          uint32_t now_s);
// For what has no flow and opens none: by the client, else by the hash slot.
uint32_t select_without_memory(const Tables& tables, const xlb_service& service,
                               const Connection& connection, uint32_t now_s);

// The murmur3 finaliser, keyed.
uint64_t mix(uint64_t key, uint64_t seed);

}  // namespace xlb::oracle
