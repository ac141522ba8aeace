#include "model_forward.h"

#include <arpa/inet.h>
#include <linux/bpf.h>

#include <algorithm>

namespace xlb::oracle {
namespace {

constexpr uint8_t kTtl = 64;
constexpr uint8_t kErrorHops = 255;  // of an ICMPv6 error
constexpr size_t kIpv4Header = 20;
constexpr size_t kIpv6Header = 40;
constexpr size_t kUdpHeader = 8;
constexpr size_t kGueHeader = 4;
constexpr size_t kQuoted = 128;  // bytes of the packet that an ICMP error quotes, at most

Decision untouched(xlb_verdict reason, const Bytes& frame) {
  return {reason, action_of(reason), frame};
}

void append(Bytes& bytes, const void* from, size_t count) {
  const auto* first = static_cast<const uint8_t*>(from);
  bytes.insert(bytes.end(), first, first + count);
}

void append16(Bytes& bytes, size_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

Bytes ipv4_header(size_t payload, uint8_t tos, bool dont_fragment, uint8_t protocol,
                  const void* source, const void* destination) {
  Bytes header{0x45, tos};
  append16(header, kIpv4Header + payload);
  append16(header, 0);
  append16(header, dont_fragment ? 0x4000 : 0);
  header.push_back(kTtl);
  header.push_back(protocol);
  append16(header, 0);
  append(header, source, 4);
  append(header, destination, 4);
  put_be16(header, 10, checksum_of(ones_sum(header, 0, header.size())));
  return header;
}

Bytes ipv6_header(size_t payload, uint8_t traffic_class, uint8_t next, const void* source,
                  const void* destination) {
  Bytes header;
  append16(header, 0x6000U | static_cast<unsigned>(traffic_class) << 4);
  append16(header, 0);
  append16(header, payload);
  header.push_back(next);
  header.push_back(kTtl);
  append(header, source, 16);
  append(header, destination, 16);
  return header;
}

void take_a_hop(Bytes& frame, const Parsed& parsed) {
  if (parsed.family == XLB_IPV6) {
    frame[parsed.ip + 7]--;
    return;
  }
  frame[parsed.ip + 8]--;
  // RFC 1624, equation 3: HC' = ~(~HC + ~m + m'), the word losing 0x0100.
  const uint16_t before = be16(frame, parsed.ip + 10);
  const unsigned word = be16(frame, parsed.ip + 8);
  const uint64_t sum =
      uint64_t{static_cast<uint16_t>(~before)} + static_cast<uint16_t>(~(word + 0x0100)) + word;
  put_be16(frame, parsed.ip + 10, checksum_of(sum));
}

bool may_send_error(Tables& tables, uint32_t now_s) {
  IcmpBudget& budget = tables.icmp_budget;
  if (budget.second != now_s) budget = {now_s, 0};
  if (budget.sent >= tables.settings.icmp_errors_per_second) return false;
  budget.sent++;
  return true;
}

struct Error {
  uint8_t type;
  uint8_t code;
  uint16_t mtu;
};

// The frame that tells the sender, tags kept.
Bytes error_frame(const Bytes& frame, const Parsed& parsed, const xlb_interface& from,
                  const Error& error) {
  Bytes reply(frame.begin() + 6, frame.begin() + 12);
  append(reply, frame.data(), 6);
  append(reply, frame.data() + 12, parsed.ip - 12);
  const size_t quoted = std::min<size_t>(parsed.ip_bytes, kQuoted) / 4 * 4;
  Bytes message{error.type, error.code, 0, 0};
  append16(message, 0);
  append16(message, error.mtu);
  append(message, &frame[parsed.ip], quoted);
  Bytes header;
  uint64_t pseudo = 0;
  if (parsed.family == XLB_IPV4) {
    header = ipv4_header(message.size(), 0, false, 1, &from.address, parsed.source.data());
  } else {
    header = ipv6_header(message.size(), 0, 58, from.address6, parsed.source.data());
    header[7] = kErrorHops;
    pseudo = ones_sum(header, 8, 40) + message.size() + 58;
  }
  put_be16(message, 2, checksum_of(pseudo + ones_sum(message, 0, message.size())));
  append(reply, header.data(), header.size());
  append(reply, message.data(), message.size());
  return reply;
}

// Whom an error may be sent to (RFC 1812 4.3.2.7, RFC 4443 2.4): neither nobody nor many, in IPv4
// not 0.0.0.0/8, 127.0.0.0/8 or 224.0.0.0/3 either.
bool is_one_host(const Parsed& parsed) {
  const uint8_t first = parsed.source[0];
  if (parsed.family == XLB_IPV4) return first != 0 && first != 127 && first < 224;
  return first != 0xff && std::any_of(parsed.source.begin(), parsed.source.end(),
                                      [](uint8_t byte) { return byte != 0; });
}

Decision tell_or_drop(Tables& tables, const Bytes& frame, const Parsed& parsed,
                      const Arrival& arrival, const Error& error, xlb_verdict told,
                      xlb_verdict dropped) {
  const xlb_interface* from = interface_at(tables, arrival.ifindex);
  if (parsed.kind == Kind::icmp_error || parsed.kind == Kind::later_fragment || from == nullptr)
    return untouched(dropped, frame);
  const bool has_address = parsed.family == XLB_IPV4
                               ? from->address != 0
                               : std::any_of(std::begin(from->address6), std::end(from->address6),
                                             [](auto word) { return word != 0; });
  if (!has_address || !is_one_host(parsed) || !may_send_error(tables, arrival.now_s))
    return untouched(dropped, frame);
  return {told, action_of(told), error_frame(frame, parsed, *from, error)};
}

size_t outer_bytes(const xlb_real_server& real_server) {
  const size_t ip = real_server.family == XLB_IPV6 ? kIpv6Header : kIpv4Header;
  return ip + (real_server.encapsulation == XLB_GUE ? kUdpHeader + kGueHeader : 0);
}

// The murmur3 finaliser unkeyed, over the client.
uint16_t tunnel_source_port(const Parsed& parsed) {
  uint64_t high = 0;
  uint64_t low = 0;
  if (parsed.family == XLB_IPV6) {
    std::memcpy(&high, parsed.source.data(), 8);
    std::memcpy(&low, parsed.source.data() + 8, 8);
  } else {
    std::memcpy(&low, parsed.source.data(), 4);
  }
  // Fragments have one port all, or none.
  const uint16_t port = parsed.kind == Kind::transport ? parsed.source_port : uint16_t{0};
  uint64_t hash = high ^ low ^ static_cast<uint64_t>(htons(port)) << 48;
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
  hash ^= hash >> 33;
  return static_cast<uint16_t>(0xc000 | (hash & 0x3fff));
}

Bytes tunnel_headers(const Bytes& frame, const Parsed& parsed, const xlb_real_server& to) {
  const uint8_t traffic_class =
      parsed.family == XLB_IPV4
          ? frame[parsed.ip + 1]
          : static_cast<uint8_t>(frame[parsed.ip] << 4 | frame[parsed.ip + 1] >> 4);
  const uint8_t inner = parsed.family == XLB_IPV4 ? 4 : 41;
  Bytes udp;
  if (to.encapsulation == XLB_GUE) {
    append16(udp, tunnel_source_port(parsed));
    append(udp, &to.tunnel_port, 2);
    append16(udp, kUdpHeader + kGueHeader + parsed.ip_bytes);
    append16(udp, 0);
    append16(udp, inner);  // version 0, no extensions; then the protocol
    append16(udp, 0);      // flags
  }
  const uint8_t protocol = to.encapsulation == XLB_GUE ? kUdp : inner;
  const size_t payload = udp.size() + parsed.ip_bytes;
  Bytes headers =
      to.family == XLB_IPV6
          ? ipv6_header(payload, traffic_class, protocol, to.tunnel_source, to.address)
          : ipv4_header(payload, traffic_class, true, protocol, to.tunnel_source, to.address);
  append(headers, udp.data(), udp.size());
  return headers;
}

}  // namespace

const xlb_interface* interface_at(const Tables& tables, uint32_t ifindex) {
  for (const xlb_interface& one : tables.interfaces)
    if (one.ifindex == ifindex) return &one;
  return nullptr;
}

Decision forward(Tables& tables, const Bytes& frame, const Parsed& parsed, uint32_t real_server,
                 const Arrival& arrival) {
  const xlb_real_server& to = tables.real_servers[real_server];
  xlb_traffic& traffic = tables.traffic[real_server];
  const auto count = [&] {
    traffic.packets++;
    traffic.bytes += parsed.ip_bytes;
  };
  if ((to.flags & XLB_RS_LOCAL) != 0) {
    count();
    return untouched(XLB_PASS_LOCAL, frame);
  }
  const bool v6 = parsed.family == XLB_IPV6;
  if (parsed.ttl <= 1)
    return tell_or_drop(tables, frame, parsed, arrival, v6 ? Error{3, 0, 0} : Error{11, 0, 0},
                        XLB_TX_TIME_EXCEEDED, XLB_DROP_TTL);
  const bool tunnel = (to.flags & XLB_RS_TUNNEL) != 0;
  if (tunnel && to.mtu != 0 && parsed.ip_bytes + outer_bytes(to) > to.mtu) {
    if (!parsed.dont_fragment) return untouched(XLB_DROP_TOO_BIG, frame);
    const auto room = static_cast<uint16_t>(to.mtu - outer_bytes(to));
    return tell_or_drop(tables, frame, parsed, arrival, v6 ? Error{2, 0, room} : Error{3, 4, room},
                        XLB_TX_TOO_BIG, XLB_DROP_TOO_BIG);
  }
  const bool elsewhere = to.ifindex != arrival.ifindex;
  Decision decision{elsewhere ? XLB_REDIRECT : XLB_TX, 0, frame};
  take_a_hop(decision.frame, parsed);
  if (tunnel) {
    const Bytes outer = tunnel_headers(frame, parsed, to);
    decision.frame.insert(decision.frame.begin() + static_cast<std::ptrdiff_t>(parsed.ip),
                          outer.begin(), outer.end());
    put_be16(decision.frame, parsed.ip - 2, to.family == XLB_IPV6 ? 0x86dd : 0x0800);
  }
  std::copy_n(to.destination_mac, 6, decision.frame.begin());
  std::copy_n(to.source_mac, 6, decision.frame.begin() + 6);
  if (elsewhere && !tables.ports.contains(to.ifindex)) decision.reason = XLB_DROP_NO_PORT;
  decision.action = action_of(decision.reason);
  if (decision.reason != XLB_DROP_NO_PORT) count();
  return decision;
}

}  // namespace xlb::oracle
