#include "io/netfilter_message.h"

#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace xlb::netfilter {

Result<UniqueFd> open_socket() {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  if (!socket.valid()) return fail_errno(errno, "cannot reach netfilter");
  return socket;
}

Request::Request(int subsystem, int message, int flags, uint32_t sequence,
                 std::optional<AddressFamily> address_family) {
  nlmsghdr header{};
  header.nlmsg_type = static_cast<uint16_t>(message_type(subsystem, message));
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = sequence;
  put(&header, sizeof header);
  nfgenmsg family{};
  if (address_family) {
    family.nfgen_family = address_family == AddressFamily::ipv4 ? AF_INET : AF_INET6;
  }
  put(&family, sizeof family);
}

void Request::add_text(uint16_t type, std::string_view text) {
  std::array<char, 512> with_end{};
  fits_ = fits_ && text.size() < with_end.size();
  add_bytes(type, with_end.data(), text.copy(with_end.data(), with_end.size() - 1) + 1);
}

size_t Request::open(uint16_t type) {
  const size_t start = used_;
  const nlattr attribute{.nla_len = 0, .nla_type = static_cast<uint16_t>(type | NLA_F_NESTED)};
  put(&attribute, sizeof attribute);
  return start;
}

void Request::close(size_t opened) {
  const auto length = static_cast<uint16_t>(used_ - opened);
  if (fits_) std::memcpy(bytes_.data() + opened, &length, sizeof length);
}

bool Request::send(int socket) {
  if (!fits_) {
    errno = EMSGSIZE;
    return false;
  }
  const auto length = static_cast<uint32_t>(used_);
  std::memcpy(bytes_.data(), &length, sizeof length);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  return ::sendto(socket, bytes_.data(), used_, 0, reinterpret_cast<const sockaddr*>(&kernel),
                  sizeof kernel) == static_cast<ssize_t>(used_);
}

void Request::add_bytes(uint16_t type, const void* value, size_t length) {
  const nlattr attribute{.nla_len = static_cast<uint16_t>(sizeof(nlattr) + length),
                         .nla_type = type};
  put(&attribute, sizeof attribute);
  put(value, length);
}

void Request::put(const void* from, size_t length) {
  fits_ = fits_ && used_ + NLMSG_ALIGN(length) <= bytes_.size();
  if (!fits_) return;
  std::memcpy(bytes_.data() + used_, from, length);
  used_ += NLMSG_ALIGN(length);
}

void for_each_attribute(Bytes bytes, const std::function<void(Bytes)>& visit) {
  while (bytes.size() >= sizeof(nlattr)) {
    nlattr attribute{};
    std::memcpy(&attribute, bytes.data(), sizeof attribute);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > bytes.size()) return;
    visit(bytes.subspan(sizeof attribute, attribute.nla_len - sizeof attribute));
    const size_t whole = NLA_ALIGN(attribute.nla_len);
    bytes = bytes.subspan(whole < bytes.size() ? whole : bytes.size());
  }
}

Result<bool> receive(int socket, std::span<std::byte> buffer, int type,
                     const std::function<void(Bytes)>& visit) {
  const ssize_t received = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (received < 0) return fail_errno(errno, "netfilter gives no answer");
  Bytes left(buffer.data(), static_cast<size_t>(received));
  while (left.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, left.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > left.size()) break;
    const Bytes body = left.subspan(sizeof header, header.nlmsg_len - sizeof header);
    const size_t whole = NLMSG_ALIGN(header.nlmsg_len);
    left = left.subspan(whole < left.size() ? whole : left.size());
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      int code = 0;
      if (body.size() >= sizeof code) std::memcpy(&code, body.data(), sizeof code);
      return fail_errno(code, "netfilter refuses");
    }
    if (header.nlmsg_type == type && body.size() >= sizeof(nfgenmsg)) {
      visit(body.subspan(sizeof(nfgenmsg)));
    }
  }
  return false;
}

}  // namespace xlb::netfilter
