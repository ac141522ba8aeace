#include "io/netlink_socket.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdlib>
#include <cstring>

namespace xlb::rtnl {
namespace {

// The kernel answers a request while it is being sent; this bounds the case that it does not.
constexpr timeval kAnswerTimeout{.tv_sec = 1, .tv_usec = 0};
// Room for a burst of events; more than this only costs a new dump.
constexpr int kEventBufferBytes = 1 << 20;

struct Free {
  void operator()(unsigned char* memory) const { std::free(memory); }
};

struct Datagram {
  std::unique_ptr<unsigned char, Free> memory;
  int bytes = 0;  // 0: not the kernel's; negative: libnl's error
};

Datagram read_datagram(nl_sock* socket) {
  Datagram result;
  sockaddr_nl sender{};
  unsigned char* memory = nullptr;
  result.bytes = nl_recv(socket, &sender, &memory, nullptr);
  if (result.bytes > 0) result.memory.reset(memory);
  if (result.bytes > 0 && sender.nl_pid != 0) result.bytes = 0;
  return result;
}

// Calls visit(message) for each whole message until it returns false.
template <typename Function>
void for_each_message(const Datagram& datagram, const Function& visit) {
  auto* message = reinterpret_cast<nlmsghdr*>(datagram.memory.get());
  int left = datagram.bytes;
  while (nlmsg_ok(message, left) != 0) {
    if (!visit(*message)) return;
    message = nlmsg_next(message, &left);
  }
}

Error from_libnl(int code) {
  return fail("cannot use netlink: {}", nl_geterror(code));
}

}  // namespace

void MessageDelete::operator()(nl_msg* message) const {
  nlmsg_free(message);
}
void Socket::Delete::operator()(nl_sock* socket) const {
  nl_socket_free(socket);
}

Message make_message(int type, int flags, const void* fixed, size_t fixed_bytes) {
  Message message(nlmsg_alloc_simple(type, flags));
  if (message != nullptr &&
      nlmsg_append(message.get(), const_cast<void*>(fixed), fixed_bytes, NLMSG_ALIGNTO) < 0) {
    message.reset();
  }
  return message;
}

bool put(const Message& message, int attribute, const void* bytes, size_t count) {
  return message != nullptr &&
         nla_put(message.get(), attribute, static_cast<int>(count), bytes) == 0;
}

bool put_text(const Message& message, int attribute, const std::string& text) {
  return put(message, attribute, text.c_str(), text.size() + 1);
}

bool put_address(const Message& message, int attribute, const IpAddress& address) {
  return put(message, attribute, address.bytes().data(), address.size());
}

unsigned char family_of(AddressFamily family) {
  return family == AddressFamily::ipv4 ? AF_INET : AF_INET6;
}

Result<Socket> Socket::connect() {
  Socket result;
  result.socket_.reset(nl_socket_alloc());
  if (result.socket_ == nullptr) return fail_errno(ENOMEM, "cannot open a netlink socket");
  if (const int code = nl_connect(result.socket_.get(), NETLINK_ROUTE); code < 0) {
    return fail("cannot open a netlink socket: {}", nl_geterror(code));
  }
  return result;
}

Result<Socket> Socket::open() {
  auto opened = connect();
  if (!opened) return opened;
  if (::setsockopt(opened->fd(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout) !=
      0) {
    return fail_errno(errno, "cannot bound the netlink socket's waiting");
  }
  return opened;
}

Result<Socket> Socket::open_subscribed(const std::vector<int>& groups) {
  auto opened = connect();
  if (!opened) return opened;
  nl_sock* socket = opened->socket_.get();
  if (const int code = nl_socket_set_nonblocking(socket); code < 0) return from_libnl(code);
  // Best effort: the administrator's limit may be lower.
  (void)nl_socket_set_buffer_size(socket, kEventBufferBytes, 0);
  for (const int group : groups) {
    if (const int code = nl_socket_add_membership(socket, group); code < 0) {
      return fail("cannot subscribe to netlink group {}: {}", group, nl_geterror(code));
    }
  }
  return opened;
}

int Socket::fd() const {
  return nl_socket_get_fd(socket_.get());
}

Result<void> Socket::request(const Message& message, const Visit& visit) {
  if (message == nullptr) return fail_errno(ENOMEM, "cannot build a netlink request");
  nl_complete_msg(socket_.get(), message.get());
  const nlmsghdr* sent = nlmsg_hdr(message.get());
  if (const int code = nl_send(socket_.get(), message.get()); code < 0) return from_libnl(code);

  int failure = 0;
  bool interrupted = false;
  bool finished = false;
  const auto take = [&](const nlmsghdr& answer) {
    // An answer to an earlier request that was given up on has another number.
    if (answer.nlmsg_seq != sent->nlmsg_seq) return true;
    interrupted = interrupted || (answer.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    if (answer.nlmsg_type == NLMSG_ERROR || answer.nlmsg_type == NLMSG_DONE) {
      // Both begin with the negative errno, 0 for success.
      auto* begin = static_cast<const char*>(nlmsg_data(&answer));
      if (nlmsg_datalen(&answer) >= static_cast<int>(sizeof failure)) {
        std::memcpy(&failure, begin, sizeof failure);
      }
      finished = true;
    } else if (visit) {
      visit(answer);
    }
    return !finished;
  };
  while (!finished) {
    const Datagram datagram = read_datagram(socket_.get());
    if (datagram.bytes == -NLE_AGAIN) return Error{"the kernel did not answer", ETIMEDOUT};
    if (datagram.bytes < 0) return from_libnl(datagram.bytes);
    for_each_message(datagram, take);
  }
  if (failure == 0 && interrupted) failure = -EINTR;
  if (failure == 0) return {};
  return Error{strerrordesc_np(-failure) != nullptr ? strerrordesc_np(-failure) : "unknown error",
               -failure};
}

Result<Socket::Received> Socket::receive(const Visit& visit) {
  const Datagram datagram = read_datagram(socket_.get());
  if (datagram.bytes == -NLE_AGAIN) return Received::nothing;
  // libnl's word for ENOBUFS.
  if (datagram.bytes == -NLE_NOMEM) return Received::overflow;
  if (datagram.bytes < 0) return from_libnl(datagram.bytes);
  for_each_message(datagram, [&](const nlmsghdr& message) {
    visit(message);
    return true;
  });
  return Received::messages;
}

}  // namespace xlb::rtnl
