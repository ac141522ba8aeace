#include "io/control_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"

namespace xlb {
namespace {

constexpr size_t kMaxLineBytes = size_t{256} << 20;  // the largest status document is far smaller

using Outcome = ControlAnswer::Outcome;

ControlAnswer unreachable(const std::string& path, int code) {
  const bool late = code == EAGAIN || code == EWOULDBLOCK || code == EINPROGRESS;
  ControlAnswer answer;
  answer.outcome = Outcome::unreachable;
  answer.failure.error = late ? fmt::format("cannot reach xlbd at {}: no answer in time", path)
                              : fail_errno(code, "cannot reach xlbd at {}", path).text;
  if (code == EACCES || code == EPERM) {
    answer.failure.hint = "only root and the socket's group may ask";
  } else if (!late) {
    answer.failure.hint = "is xlbd running? When it runs with --run-dir DIR, xlbctl needs the same";
  }
  return answer;
}

ControlAnswer broken(std::string cause) {
  ControlAnswer answer;
  answer.outcome = Outcome::broken;
  answer.failure.error = "cannot read xlbd's answer: " + std::move(cause);
  return answer;
}

// 0 or an errno value.
int connect_to(const UniqueFd& socket, const std::string& path, std::chrono::seconds patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  timeval limit{};
  limit.tv_sec = patience.count();
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0) return errno;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0) return errno;
  const auto* target = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(socket.get(), target, sizeof address) < 0 ? errno : 0;
}

}  // namespace

ControlAnswer control_request(const std::string& socket_path, const ControlRequest& request,
                              const std::function<void(std::string_view line)>& on_line,
                              std::chrono::seconds patience) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return unreachable(socket_path, errno);
  if (const int code = connect_to(socket, socket_path, patience); code != 0) {
    return unreachable(socket_path, code);
  }
  const std::string line = to_line(request);
  if (::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL) != ssize_t(line.size())) {
    return unreachable(socket_path, errno);
  }
  std::string buffer;
  std::array<char, 65536> chunk{};
  bool heard = false;
  while (true) {
    const ssize_t got = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
    const int code = errno;
    if (got < 0 && code == EINTR) continue;
    if (got < 0 && !heard) return unreachable(socket_path, code);
    if (got < 0) return broken(fail_errno(code, "{}", socket_path).text);
    if (got == 0) return broken("the connection was closed before its end");
    heard = true;
    size_t searched = buffer.size();
    buffer.append(chunk.data(), static_cast<size_t>(got));
    size_t begin = 0;
    for (size_t end = 0; (end = buffer.find('\n', searched)) != std::string::npos;) {
      const std::string_view received = std::string_view(buffer).substr(begin, end - begin);
      if (const auto last = parse_end_line(received)) {
        if (!last->failure) return {};
        return {Outcome::refused, *last->failure};
      }
      on_line(received);
      begin = searched = end + 1;
    }
    buffer.erase(0, begin);
    if (buffer.size() > kMaxLineBytes) return broken("a line without end");
  }
}

}  // namespace xlb
