// One rtnetlink socket: sends requests, hands received messages on one by one, and drops whatever
// the kernel did not send. libnl's sockets and error numbers stop here.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"

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
