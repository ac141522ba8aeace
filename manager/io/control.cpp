#include "io/control.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace xlb {
namespace {

constexpr mode_t kSocketMode = 0660;
constexpr int kBacklog = 16;
constexpr size_t kLowWater = 65536;  // less than this to send: produce more
constexpr std::chrono::milliseconds kAcceptPause{100};

class StreamReply : public ControlReply {
 public:
  explicit StreamReply(std::function<bool(std::string&)> next) : next_(std::move(next)) {}
  bool next(std::string& out) override { return next_(out); }

 private:
  std::function<bool(std::string&)> next_;
};

class FailureReply : public ControlReply {
 public:
  explicit FailureReply(ControlFailure failure) : failure_(std::move(failure)) {}
  bool next(std::string& /*out*/) override { return false; }
  [[nodiscard]] std::optional<ControlFailure> failure() const override { return failure_; }

 private:
  ControlFailure failure_;
};

bool would_block(int code) {
  return code == EAGAIN || code == EWOULDBLOCK || code == EINTR;
}

}  // namespace

std::unique_ptr<ControlReply> document_reply(std::string lines) {
  return stream_reply([lines = std::move(lines)](std::string& out) {
    out += lines;
    return false;
  });
}

std::unique_ptr<ControlReply> failure_reply(ControlFailure failure) {
  return std::make_unique<FailureReply>(std::move(failure));
}

std::unique_ptr<ControlReply> stream_reply(std::function<bool(std::string& out)> next) {
  return std::make_unique<StreamReply>(std::move(next));
}

ControlServer::ControlServer(EventLoop& loop, std::string path, Handler handler)
    : loop_(loop), path_(std::move(path)), handler_(std::move(handler)) {}

ControlServer::~ControlServer() {
  if (bound_) (void)::unlink(path_.c_str());
}

Result<std::unique_ptr<ControlServer>> ControlServer::open(EventLoop& loop, const std::string& path,
                                                           Handler handler) {
  std::unique_ptr<ControlServer> server(new ControlServer(loop, path, std::move(handler)));
  if (auto bound = server->bind(); !bound) return bound.error();
  auto watch = loop.watch(server->listener_.get(), EPOLLIN,
                          [&server = *server](uint32_t) { server.accept_clients(); });
  if (!watch) return watch.error().context(fmt::format("cannot serve {}", path));
  server->listener_watch_ = std::move(*watch);
  server->accept_pause_ = loop.timer(EventLoop::Urgency::normal, [&server = *server] {
    server.listener_watch_.set_events(EPOLLIN);
  });
  return server;
}

Result<void> ControlServer::bind() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) {
    return fail("cannot create the socket {}: the path is longer than {} bytes", path_,
                sizeof address.sun_path - 1);
  }
  std::memcpy(address.sun_path, path_.data(), path_.size());
  listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener_.valid()) return fail_errno(errno, "cannot create the socket {}", path_);
  struct stat found {};
  if (::lstat(path_.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode)) {
      return fail("cannot create the socket {}: something else has that name", path_);
    }
    if (::unlink(path_.c_str()) < 0) return fail_errno(errno, "cannot replace {}", path_);
  }
  // The file gets the socket's own mode, less the umask: never open to more than it should be, not
  // even between bind and chmod.
  if (::fchmod(listener_.get(), kSocketMode) < 0 ||
      ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    return fail_errno(errno, "cannot create the socket {}", path_);
  }
  bound_ = true;
  if (::chmod(path_.c_str(), kSocketMode) < 0) {
    return fail_errno(errno, "cannot set the mode of {}", path_);
  }
  if (::listen(listener_.get(), kBacklog) < 0)
    return fail_errno(errno, "cannot listen on {}", path_);
  return {};
}

void ControlServer::accept_clients() {
  for (int i = 0; i < kBacklog; ++i) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    const int code = errno;
    if (!socket.valid() && would_block(code)) return;
    if (!socket.valid() || !admit(std::move(socket))) {
      listener_watch_.set_events(0);
      accept_pause_.arm(loop_.now() + kAcceptPause);
      return;
    }
  }
}

Result<void> ControlServer::admit(UniqueFd socket) {
  if (clients_.size() == kMaxClients) {
    clients_.erase(std::min_element(clients_.begin(), clients_.end(), [](auto& a, auto& b) {
      return a.second.last_progress < b.second.last_progress;
    }));
  }
  const uint64_t id = next_id_++;
  auto watch =
      loop_.watch(socket.get(), EPOLLIN, [this, id](uint32_t events) { serve(id, events); });
  if (!watch) return watch.error();
  Client client;
  client.socket = std::move(socket);
  client.watch = std::move(*watch);
  client.deadline = loop_.timer(EventLoop::Urgency::normal, [this, id] { clients_.erase(id); });
  client.deadline.arm(loop_.now() + kRequestDeadline);
  client.last_progress = loop_.now();
  clients_.emplace(id, std::move(client));
  return {};
}

void ControlServer::serve(uint64_t id, uint32_t events) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  bool going_on = (events & EPOLLERR) == 0;
  if (going_on) going_on = client.reply ? write_reply(client) : read_request(client);
  if (!going_on) clients_.erase(found);
}

bool ControlServer::read_request(Client& client) {
  std::array<char, kMaxRequestBytes> buffer{};
  const ssize_t got = ::recv(client.socket.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return would_block(errno);
  client.request.append(buffer.data(), static_cast<size_t>(got));
  const size_t end = client.request.find('\n');
  if (end != std::string::npos ? end > kMaxRequestBytes
                               : client.request.size() > kMaxRequestBytes) {
    begin_reply(client, failure_reply({ControlFailure::kRefused,
                                       "cannot read the request: longer than 4096 bytes", ""}));
  } else if (end != std::string::npos) {
    begin_reply(client, answer(std::string_view(client.request).substr(0, end)));
  } else if (got == 0) {
    return false;
  }
  return true;
}

std::unique_ptr<ControlReply> ControlServer::answer(std::string_view line) {
  const auto request = parse_control_request(line);
  if (!request) return failure_reply({ControlFailure::kRefused, request.error().text, ""});
  auto reply = handler_(*request);
  if (reply) return reply;
  return failure_reply({ControlFailure::kNotFound,
                        fmt::format("cannot do \"{}\": no such command", request->command), ""});
}

void ControlServer::begin_reply(Client& client, std::unique_ptr<ControlReply> reply) {
  client.request = std::string();
  client.reply = std::move(reply);
  client.last_progress = loop_.now();
  client.watch.set_events(EPOLLOUT);
  client.deadline.arm(loop_.now() + kStallDeadline);
}

// One piece produced and one write: the rest waits for the next turn, so that others get theirs.
bool ControlServer::write_reply(Client& client) {
  if (!client.produced_all && client.pending.size() - client.written < kLowWater) {
    client.pending.erase(0, client.written);
    client.written = 0;
    if (!client.reply->next(client.pending)) {
      client.pending += end_line(client.reply->failure());
      client.produced_all = true;
    }
  }
  const size_t left = client.pending.size() - client.written;
  if (left == 0) return true;
  const ssize_t sent = ::send(client.socket.get(), client.pending.data() + client.written, left,
                              MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return would_block(errno);
  client.written += static_cast<size_t>(sent);
  client.last_progress = loop_.now();
  client.deadline.arm(loop_.now() + kStallDeadline);
  return !client.produced_all || client.written < client.pending.size();
}

}  // namespace xlb
