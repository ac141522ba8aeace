#include "io/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <optional>
#include <string_view>

#include "io/netfilter_message.h"

namespace xlb {
namespace {

constexpr size_t kBufferBytes = 1 << 16;
using netfilter::attributes;
using netfilter::Bytes;
using netfilter::Request;
using netfilter::value_of;

struct Tuple {
  uint8_t protocol = 0;
  Endpoint source;
  Endpoint destination;
};

std::optional<IpAddress> address_of(Bytes four, Bytes six) {
  if (const auto address = value_of<uint32_t>(four)) return IpAddress::from_v4(*address);
  if (const auto address = value_of<std::array<uint8_t, 16>>(six)) {
    return IpAddress::from_v6(*address);
  }
  return std::nullopt;
}

void add_address(Request& request, uint16_t four, uint16_t six, const IpAddress& address) {
  if (address.is_v4()) {
    request.add<uint32_t>(four, address.v4_network_order());
  } else {
    request.add(six, address.bytes());
  }
}

std::optional<Tuple> tuple_of(Bytes bytes) {
  const auto parts = attributes<CTA_TUPLE_MAX + 1>(bytes);
  const auto addresses = attributes<CTA_IP_MAX + 1>(parts[CTA_TUPLE_IP]);
  const auto numbers = attributes<CTA_PROTO_MAX + 1>(parts[CTA_TUPLE_PROTO]);
  const auto from = address_of(addresses[CTA_IP_V4_SRC], addresses[CTA_IP_V6_SRC]);
  const auto to = address_of(addresses[CTA_IP_V4_DST], addresses[CTA_IP_V6_DST]);
  const auto protocol = value_of<uint8_t>(numbers[CTA_PROTO_NUM]);
  const auto from_port = value_of<uint16_t>(numbers[CTA_PROTO_SRC_PORT]);
  const auto to_port = value_of<uint16_t>(numbers[CTA_PROTO_DST_PORT]);
  if (!from || !to || !protocol || !from_port || !to_port) return std::nullopt;
  return Tuple{*protocol, {*from, ntohs(*from_port)}, {*to, ntohs(*to_port)}};
}

TrackedState state_of(uint8_t protocol, Bytes protocol_part) {
  if (protocol == IPPROTO_UDP) return TrackedState::udp;
  const auto kinds = attributes<CTA_PROTOINFO_MAX + 1>(protocol_part);
  const auto tcp = attributes<CTA_PROTOINFO_TCP_MAX + 1>(kinds[CTA_PROTOINFO_TCP]);
  switch (value_of<uint8_t>(tcp[CTA_PROTOINFO_TCP_STATE]).value_or(TCP_CONNTRACK_NONE)) {
    case TCP_CONNTRACK_ESTABLISHED:
      return TrackedState::established;
    case TCP_CONNTRACK_FIN_WAIT:
    case TCP_CONNTRACK_CLOSE_WAIT:
    case TCP_CONNTRACK_LAST_ACK:
    case TCP_CONNTRACK_TIME_WAIT:
      return TrackedState::fin_wait;
    case TCP_CONNTRACK_CLOSE:
      return TrackedState::close;
    default:
      return TrackedState::syn_recv;
  }
}

std::optional<TrackedConnection> connection_of(Bytes bytes) {
  const auto parts = attributes<CTA_MAX + 1>(bytes);
  const auto asking = tuple_of(parts[CTA_TUPLE_ORIG]);
  const auto answering = tuple_of(parts[CTA_TUPLE_REPLY]);
  if (!asking || !answering) return std::nullopt;
  if (asking->protocol != IPPROTO_TCP && asking->protocol != IPPROTO_UDP) return std::nullopt;
  TrackedConnection result;
  result.protocol = static_cast<Protocol>(asking->protocol);
  result.client = asking->source;
  result.destination = asking->destination;
  result.answering = answering->source;
  result.state = state_of(asking->protocol, parts[CTA_PROTOINFO]);
  result.expires_in =
      std::chrono::seconds(ntohl(value_of<uint32_t>(parts[CTA_TIMEOUT]).value_or(0)));
  result.translated = (ntohl(value_of<uint32_t>(parts[CTA_STATUS]).value_or(0)) & IPS_DST_NAT) != 0;
  return result;
}

}  // namespace

std::string_view name_of(TrackedState state) {
  switch (state) {
    case TrackedState::syn_recv:
      return "SYN_RECV";
    case TrackedState::established:
      return "ESTABLISHED";
    case TrackedState::fin_wait:
      return "FIN_WAIT";
    case TrackedState::close:
      return "CLOSE";
    case TrackedState::udp:
      return "UDP";
  }
  return "";
}

Result<Conntrack> Conntrack::open() {
  auto reading = netfilter::open_socket();
  if (!reading) return reading.error();
  auto deleting = netfilter::open_socket();
  if (!deleting) return deleting.error();
  Conntrack result(std::move(*reading), std::move(*deleting));
  result.buffer_.resize(kBufferBytes);
  return result;
}

Result<void> Conntrack::begin(Scope scope) {
  // A socket carries one dump at a time: what is left of another goes with its socket.
  auto socket = netfilter::open_socket();
  if (!socket) return socket.error();
  reading_ = std::move(*socket);
  Request request(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, ++sequence_, std::nullopt);
  if (scope == Scope::translated) {  // kernels before 6.1 send everything all the same
    request.add<uint32_t>(CTA_STATUS, htonl(IPS_DST_NAT));
    request.add<uint32_t>(CTA_STATUS_MASK, htonl(IPS_DST_NAT));
  }
  if (!request.send(reading_.get())) return fail_errno(errno, "cannot read connection tracking");
  return {};
}

Result<bool> Conntrack::step(const std::function<void(const TrackedConnection&)>& visit) {
  constexpr int kType = netfilter::message_type(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW);
  auto ended = netfilter::receive(reading_.get(), buffer_, kType, [&](Bytes message) {
    if (const auto connection = connection_of(message)) visit(*connection);
  });
  if (!ended) return ended.error().context("cannot read connection tracking");
  return ended;
}

void Conntrack::forget(const TrackedConnection& connection) {
  Request request(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, 0, ++sequence_,
                  connection.client.address.family());
  const size_t tuple = request.open(CTA_TUPLE_ORIG);
  const size_t addresses = request.open(CTA_TUPLE_IP);
  add_address(request, CTA_IP_V4_SRC, CTA_IP_V6_SRC, connection.client.address);
  add_address(request, CTA_IP_V4_DST, CTA_IP_V6_DST, connection.destination.address);
  request.close(addresses);
  const size_t numbers = request.open(CTA_TUPLE_PROTO);
  request.add<uint8_t>(CTA_PROTO_NUM, static_cast<uint8_t>(connection.protocol));
  request.add<uint16_t>(CTA_PROTO_SRC_PORT, htons(connection.client.port));
  request.add<uint16_t>(CTA_PROTO_DST_PORT, htons(connection.destination.port));
  request.close(numbers);
  request.close(tuple);
  (void)request.send(deleting_.get());
  // Refusals (it has gone already) are not of interest, but must not fill the socket.
  std::array<std::byte, 1024> answer;
  while (::recv(deleting_.get(), answer.data(), answer.size(), MSG_DONTWAIT) > 0) {
  }
}

}  // namespace xlb
