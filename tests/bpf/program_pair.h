// What the tests of scheduling share: a pair of real servers, and who asks for them.
#pragma once

#include "program.h"

namespace xlb::test {

inline constexpr uint8_t kPushAck = kPush | kAck;

inline Packet from_port(uint16_t client_port, uint8_t flags = kSyn) {
  return {.client_port = client_port, .flags = flags};
}

inline Packet datagram(uint16_t client_port) {
  return {.protocol = kUdp, .client_port = client_port, .port = 53, .payload = 20};
}

// TCP on real servers 1 and 2, round robin; UDP (service 8) on 3 and 4.
inline void put_pair(Program& program) {
  program.put_service({.ring = {1, 2}, .hash = {1, 2}});
  program.put_service({.id = 8, .port = 53, .protocol = kUdp, .ring = {3, 4}, .hash = {3, 4}});
  for (const uint32_t index : {1U, 2U})
    program.put_real_server(index);
  for (const uint32_t index : {3U, 4U})
    program.put_real_server(index, {.service_id = 8});
}

}  // namespace xlb::test
