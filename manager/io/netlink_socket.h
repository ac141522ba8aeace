// One rtnetlink socket: sends requests, hands received messages on one by one, and drops whatever
// the kernel did not send. libnl's sockets and error numbers stop here.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/types.h"

struct nl_msg;
struct nl_sock;
struct nlmsghdr;

namespace xlb::rtnl {

struct MessageDelete {
  void operator()(nl_msg* message) const;
};
using Message = std::unique_ptr<nl_msg, MessageDelete>;
using Visit = std::function<void(const nlmsghdr&)>;

// Null when there is no memory. `fixed` is the struct that follows the header.
Message make_message(int type, int flags, const void* fixed, size_t fixed_bytes);
template <typename Fixed>
Message make_message(int type, int flags, const Fixed& fixed) {
  return make_message(type, flags, &fixed, sizeof fixed);
}

// Each is false when there is no room. `message` may be null, then each is.
bool put(const Message& message, int attribute, const void* bytes, size_t count);
template <typename Value>
bool put(const Message& message, int attribute, const Value& value) {
  return put(message, attribute, &value, sizeof value);
}
bool put_text(const Message& message, int attribute, const std::string& text);
bool put_address(const Message& message, int attribute, const IpAddress& address);
unsigned char family_of(AddressFamily family);

class Socket {
 public:
  // Blocking, with a receive timeout: for request().
  static Result<Socket> open();
  // Non-blocking and subscribed to RTNLGRP_... groups: for receive().
  static Result<Socket> open_subscribed(const std::vector<int>& groups);

  [[nodiscard]] int fd() const;

  // Sends `message` and visits its answers until the acknowledgement or the end of the dump. The
  // error is the kernel's errno alone, for the caller to put into words; EINTR: the picture changed
  // during the dump, repeat it.
  Result<void> request(const Message& message, const Visit& visit = {});

  enum class Received { messages, nothing, overflow };
  // Visits the messages of one datagram. overflow: the kernel had to drop some, the caller's
  // picture is wrong.
  Result<Received> receive(const Visit& visit);

 private:
  struct Delete {
    void operator()(nl_sock* socket) const;
  };
  static Result<Socket> connect();

  std::unique_ptr<nl_sock, Delete> socket_;
};

}  // namespace xlb::rtnl
