#include "io/probe/http_plain.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "core/http_answer.h"
#include "io/probe/md5.h"
#include "io/probe/probe_socket.h"
#include "io/socket_address.h"

namespace xlb {
namespace {

constexpr size_t kBytesPerRead = 16UL * 1024;
// Told of once each: most exchanges need no second request to the kernel for what they wait for.
constexpr uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLET;

bool sendable(std::string_view text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
  });
}

// As keepalived asks.
std::string text_of(const HttpRequest& request) {
  return fmt::format(
      "GET {} HTTP/1.{}\r\nHost: {}\r\nUser-Agent: KeepAliveClient\r\n{}\r\n", request.path,
      request.version == HttpVersion::v1_1 ? 1 : 0,
      request.virtual_host.empty() ? request.server.to_string() : request.virtual_host,
      request.version == HttpVersion::v1_0 ? "" : "Connection: close\r\n");
}

class PlainExchange final : public HttpExchange {
 public:
  PlainExchange(EventLoop& loop, HttpRequest request, HttpCallback callback)
      : loop_(loop),
        request_(std::move(request)),
        callback_(std::move(callback)),
        answer_(
            kMaxHeaderBytes, [this](int status) { return wants_body(status); },
            [this](std::string_view bytes) { return on_body(bytes); }),
        deadline_(loop.timer(EventLoop::Urgency::normal, [this] { expired(); })) {
    deadline_.arm(loop_.now() + request_.timeout);
    const Result<void> started = start();
    if (!started) fail_soon(started.error().text);
  }

 private:
  Result<void> start() {
    if (auto checked = check_sendable(request_); !checked) return checked;
    unsent_ = text_of(request_);
    Result<UniqueFd> opened = open_probe_socket(request_.server.address.family(), SOCK_STREAM,
                                                IPPROTO_TCP, request_.source);
    if (!opened) return opened.error();
    socket_ = std::move(opened).value();
    acknowledge_late(socket_.get());
    end_by_reset(socket_.get());
    const SocketAddress address = socket_address(request_.server);
    const int rc = ::connect(socket_.get(), address.get(), address.length);
    if (rc != 0 && errno != EINPROGRESS) return fail_errno(errno, "connect");
    auto watch = loop_.watch(socket_.get(), kEvents, [this](uint32_t events) { ready(events); });
    if (!watch) return watch.error();
    watch_ = std::move(watch).value();
    return {};
  }

  void fail_soon(std::string reason) {
    failure_ = std::move(reason);
    deadline_.arm(loop_.now());
  }

  void ready(uint32_t events) {
    if (!connected_) {
      if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        int error = 0;
        socklen_t length = sizeof error;
        if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
        if (error != 0) return finish(fail_errno(error, "connect"));
      }
      connected_ = true;
    }
    if (unsent_.empty()) return receive();
    send(events);
  }

  void send(uint32_t events) {
    const ssize_t sent = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent < 0) return finish(fail_errno(errno, "send"));
    unsent_.erase(0, static_cast<size_t>(sent));
    const bool spoke_first = (events & EPOLLIN) != 0;
    if (!unsent_.empty() || spoke_first) come_again();
  }

  // One piece a turn, however fast it comes.
  void receive() {
    std::array<char, kBytesPerRead> bytes;  // NOLINT: written by recv
    const ssize_t size = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) return finish(fail_errno(errno, "receive"));
    if (size == 0) {
      answer_.closed();
    } else {
      answer_.received({bytes.data(), static_cast<size_t>(size)});
    }
    answer_.over() ? finish(outcome()) : come_again();
  }

  // In another turn, if the kernel has something already.
  void come_again() { watch_.set_events(kEvents); }

  bool wants_body(int status) {
    if (!request_.wants_body(status)) return false;
    Result<Md5> md5 = Md5::create();
    if (md5) {
      md5_ = std::move(md5).value();
    } else {
      failure_ = md5.error().text;
    }
    return true;
  }

  bool on_body(std::string_view bytes) {
    if (!md5_) return false;
    response_.body_bytes += bytes.size();
    if (response_.body_bytes > kMaxBodyBytes) {
      failure_ = fmt::format("body larger than {} MiB", kMaxBodyBytes >> 20);
      return false;
    }
    if (request_.keep_body) {
      if (response_.body_bytes > kMaxKeptBytes) {
        failure_ =
            fmt::format("body larger than {} KiB: too large to be searched", kMaxKeptBytes >> 10);
        return false;
      }
      response_.body += bytes;
    }
    md5_->update(bytes);
    return true;
  }

  Result<HttpResponse> outcome() {
    if (!failure_.empty()) return Error{failure_};
    if (answer_.failed()) return Error{answer_.text()};
    response_.status = answer_.status();
    if (md5_) response_.digest = md5_->finish();
    return std::move(response_);
  }

  void expired() {
    if (!failure_.empty()) return finish(Error{failure_});
    const std::string limit = seconds_text(request_.timeout);
    finish(connected_ ? fail("no complete answer within {}", limit)
                      : fail("connect: no answer within {}", limit));
  }

  // The callback may destroy this exchange: nothing of it is touched after the call.
  void finish(const Result<HttpResponse>& result) {
    deadline_.disarm();
    watch_.close(socket_);
    const HttpCallback callback = std::exchange(callback_, nullptr);
    callback(result);
  }

  EventLoop& loop_;
  HttpRequest request_;
  HttpCallback callback_;
  std::string unsent_;
  HttpAnswer answer_;
  HttpResponse response_;
  std::optional<Md5> md5_;  // once a body is wanted
  std::string failure_;     // ours, not the answer's
  bool connected_ = false;
  UniqueFd socket_;
  EventLoop::Watch watch_;  // destroyed before the socket it watches
  EventLoop::Timer deadline_;
};

}  // namespace

Result<void> check_sendable(const HttpRequest& request) {
  if (!sendable(request.path)) return fail("path '{}' cannot be sent", request.path);
  if (!request.virtual_host.empty() && !sendable(request.virtual_host)) {
    return fail("virtual host '{}' cannot be sent", request.virtual_host);
  }
  return {};
}

std::unique_ptr<HttpExchange> start_plain_exchange(EventLoop& loop, HttpRequest request,
                                                   HttpCallback callback) {
  return std::make_unique<PlainExchange>(loop, std::move(request), std::move(callback));
}

}  // namespace xlb
