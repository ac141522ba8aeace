#include "io/probe/datagram_probe.h"

#include <netinet/in.h>

#include <utility>

#include "io/probe/datagram_exchange.h"
#include "io/probe/socket_probe.h"

namespace xlb {
namespace {

constexpr int kMostPerTurn = 8;       // datagrams: others come in between
constexpr int kMostForeign = 10'000;  // that are no reply: a flood is no server at work

std::unique_ptr<DatagramExchange> exchange_for(const CheckConfig& check) {
  if (check.kind == CheckKind::dns) return make_dns_exchange(check);
  if (check.kind == CheckKind::udp) return make_udp_exchange(check);
  return make_ping_exchange(check);
}

class DatagramProbe final : public SocketProbe {
 public:
  DatagramProbe(EventLoop& loop, const CheckConfig& check, ProbeCallback callback)
      : SocketProbe(loop, check, std::move(callback)), exchange_(exchange_for(check)) {
    if (auto sent = send(check.target); !sent) fail_soon(sent.error().text);
  }

 private:
  Result<void> send(const Endpoint& target) {
    Result<UniqueFd> opened = exchange_->open();
    if (!opened) return opened.error();
    if (auto done = connect(std::move(opened).value(), target, EPOLLIN); !done) return done;
    const std::vector<uint8_t> request = exchange_->request();
    const ssize_t sent = ::send(socket(), request.data(), request.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(request.size())) return fail_errno(errno, "send");
    return {};
  }

  void ready() override {
    std::vector<uint8_t> bytes(exchange_->longest_reply());
    for (int i = 0; i < kMostPerTurn; ++i) {
      const ssize_t size = ::recv(socket(), bytes.data(), bytes.size(), 0);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
      // The kernel tells here of an ICMP error that answers the request.
      if (size < 0) return finish({false, fail_errno(errno, "receive").text});
      auto result = exchange_->judge({bytes.data(), static_cast<size_t>(size)});
      if (result) return finish(timed(std::move(*result)));
      if (++foreign_ >= kMostForeign) {
        return finish({false, fmt::format("{} datagrams, none of them a reply", foreign_)});
      }
    }
  }

  // "answered in 1.2 ms"
  [[nodiscard]] ProbeResult timed(ProbeResult result) const {
    if (result.ok) result.text += fmt::format(" in {:.1f} ms", elapsed_milliseconds());
    return result;
  }

  [[nodiscard]] ProbeResult out_of_time() const override {
    if (exchange_->silence_passes()) {
      return {true, fmt::format("no error within {}", limit_text())};
    }
    const std::string others = foreign_ == 0 ? "" : fmt::format(", but {} others", foreign_);
    return {false, fmt::format("no reply within {}{}", limit_text(), others)};
  }

  std::unique_ptr<DatagramExchange> exchange_;
  int foreign_ = 0;
};

}  // namespace

std::unique_ptr<Probe> start_datagram_probe(EventLoop& loop, const CheckConfig& check,
                                            ProbeCallback callback) {
  return std::make_unique<DatagramProbe>(loop, check, std::move(callback));
}

}  // namespace xlb
