#include "io/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace xlb {
namespace {

constexpr size_t kBufferBytes = 1 << 16;
constexpr uint16_t kTypeMask = 0x3fff;  // NLA_TYPE_MASK

int type_of(int message) {
  return NFNL_SUBSYS_CTNETLINK << 8 | message;
}

// A request under construction: a header, nfgenmsg, then attributes. Well below its capacity.
class Request {
 public:
  Request(int message, int flags, uint32_t sequence) {
    nlmsghdr header{};
    header.nlmsg_type = static_cast<uint16_t>(type_of(message));
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    header.nlmsg_seq = sequence;
    put(&header, sizeof header);
    nfgenmsg family{};
    family.nfgen_family = AF_INET;
    put(&family, sizeof family);
  }

  template <typename Value>
  void add(uint16_t type, const Value& value) {
    const nlattr attribute{.nla_len = sizeof(nlattr) + sizeof value, .nla_type = type};
    put(&attribute, sizeof attribute);
    put(&value, sizeof value);
    used_ = NLMSG_ALIGN(used_);
  }
  size_t open(uint16_t type) {
    const size_t start = used_;
    const nlattr attribute{.nla_len = 0, .nla_type = static_cast<uint16_t>(type | NLA_F_NESTED)};
    put(&attribute, sizeof attribute);
    return start;
  }
  void close(size_t start) {
    const auto length = static_cast<uint16_t>(used_ - start);
    std::memcpy(bytes_.data() + start, &length, sizeof length);
  }

  bool send(int socket) {
    const auto length = static_cast<uint32_t>(used_);
    std::memcpy(bytes_.data(), &length, sizeof length);
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    return ::sendto(socket, bytes_.data(), used_, MSG_DONTWAIT,
                    reinterpret_cast<const sockaddr*>(&kernel),
                    sizeof kernel) == static_cast<ssize_t>(used_);
  }

 private:
  void put(const void* from, size_t length) {
    std::memcpy(bytes_.data() + used_, from, length);
    used_ += length;
  }
  std::array<std::byte, 256> bytes_{};
  size_t used_ = 0;
};

// Attributes by type: what the kernel may send beside is skipped.
template <size_t kTypes>
std::array<std::span<const std::byte>, kTypes> attributes(std::span<const std::byte> bytes) {
  std::array<std::span<const std::byte>, kTypes> result;
  while (bytes.size() >= sizeof(nlattr)) {
    nlattr attribute{};
    std::memcpy(&attribute, bytes.data(), sizeof attribute);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > bytes.size()) break;
    const size_t type = attribute.nla_type & kTypeMask;
    if (type < kTypes)
      result[type] = bytes.subspan(sizeof attribute, attribute.nla_len - sizeof attribute);
    bytes = bytes.subspan(std::min<size_t>(bytes.size(), NLA_ALIGN(attribute.nla_len)));
  }
  return result;
}

template <typename Value>
std::optional<Value> value_of(std::span<const std::byte> bytes) {
  Value value{};
  if (bytes.size() != sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

struct Tuple {
  uint8_t protocol = 0;
  Endpoint source;
  Endpoint destination;
};

std::optional<Tuple> tuple_of(std::span<const std::byte> bytes) {
  const auto parts = attributes<CTA_TUPLE_MAX + 1>(bytes);
  const auto addresses = attributes<CTA_IP_MAX + 1>(parts[CTA_TUPLE_IP]);
  const auto numbers = attributes<CTA_PROTO_MAX + 1>(parts[CTA_TUPLE_PROTO]);
  const auto from = value_of<uint32_t>(addresses[CTA_IP_V4_SRC]);
  const auto to = value_of<uint32_t>(addresses[CTA_IP_V4_DST]);
  const auto protocol = value_of<uint8_t>(numbers[CTA_PROTO_NUM]);
  const auto from_port = value_of<uint16_t>(numbers[CTA_PROTO_SRC_PORT]);
  const auto to_port = value_of<uint16_t>(numbers[CTA_PROTO_DST_PORT]);
  if (!from || !to || !protocol || !from_port || !to_port) return std::nullopt;
  return Tuple{*protocol,
               {IpAddress::from_v4(*from), ntohs(*from_port)},
               {IpAddress::from_v4(*to), ntohs(*to_port)}};
}

TrackedState state_of(uint8_t protocol, std::span<const std::byte> protocol_part) {
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

std::optional<TrackedConnection> connection_of(std::span<const std::byte> bytes) {
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

Result<UniqueFd> open_socket() {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  if (!socket.valid()) return fail_errno(errno, "cannot reach connection tracking");
  return socket;
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
  auto reading = open_socket();
  if (!reading) return reading.error();
  auto deleting = open_socket();
  if (!deleting) return deleting.error();
  Conntrack result(std::move(*reading), std::move(*deleting));
  result.buffer_.resize(kBufferBytes);
  return result;
}

Result<void> Conntrack::begin(Scope scope) {
  // A socket carries one dump at a time: what is left of another goes with its socket.
  auto socket = open_socket();
  if (!socket) return socket.error();
  reading_ = std::move(*socket);
  Request request(IPCTNL_MSG_CT_GET, NLM_F_DUMP, ++sequence_);
  if (scope == Scope::translated) {  // kernels before 6.1 send everything all the same
    request.add<uint32_t>(CTA_STATUS, htonl(IPS_DST_NAT));
    request.add<uint32_t>(CTA_STATUS_MASK, htonl(IPS_DST_NAT));
  }
  if (!request.send(reading_.get())) return fail_errno(errno, "cannot read connection tracking");
  return {};
}

Result<bool> Conntrack::step(const std::function<void(const TrackedConnection&)>& visit) {
  const ssize_t received = ::recv(reading_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (received < 0) return fail_errno(errno, "cannot read connection tracking");
  std::span<const std::byte> left(buffer_.data(), static_cast<size_t>(received));
  while (left.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, left.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > left.size()) break;
    const auto body = left.subspan(sizeof header, header.nlmsg_len - sizeof header);
    left = left.subspan(std::min<size_t>(left.size(), NLMSG_ALIGN(header.nlmsg_len)));
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      int code = 0;
      if (body.size() >= sizeof code) std::memcpy(&code, body.data(), sizeof code);
      return fail_errno(code, "cannot read connection tracking");
    }
    if (header.nlmsg_type != type_of(IPCTNL_MSG_CT_NEW) || body.size() < sizeof(nfgenmsg)) continue;
    if (const auto connection = connection_of(body.subspan(sizeof(nfgenmsg)))) visit(*connection);
  }
  return false;
}

void Conntrack::forget(const TrackedConnection& connection) {
  if (!connection.client.address.is_v4() || !connection.destination.address.is_v4()) return;
  Request request(IPCTNL_MSG_CT_DELETE, 0, ++sequence_);
  const size_t tuple = request.open(CTA_TUPLE_ORIG);
  const size_t addresses = request.open(CTA_TUPLE_IP);
  request.add<uint32_t>(CTA_IP_V4_SRC, connection.client.address.v4_network_order());
  request.add<uint32_t>(CTA_IP_V4_DST, connection.destination.address.v4_network_order());
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
