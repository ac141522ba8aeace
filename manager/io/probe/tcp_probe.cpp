#include "io/probe/tcp_probe.h"

#include <netinet/in.h>

#include <utility>

#include "io/probe/probe_socket.h"
#include "io/probe/socket_probe.h"

namespace xlb {
namespace {

class TcpProbe final : public SocketProbe {
 public:
  TcpProbe(EventLoop& loop, const CheckConfig& check, ProbeCallback callback)
      : SocketProbe(loop, check, std::move(callback)) {
    if (auto begun = begin(check); !begun) fail_soon(begun.error().text);
  }

 private:
  Result<void> begin(const CheckConfig& check) {
    Result<UniqueFd> opened =
        open_probe_socket(check.target.address.family(), SOCK_STREAM, IPPROTO_TCP, check.source);
    if (!opened) return opened.error();
    const int socket = opened.value().get();
    acknowledge_late(socket);  // the answer to our SYN says all: one packet ends the connection
    end_by_reset(socket);
    // Writable once the connection is open or refused, also when connect() has succeeded already.
    return connect(std::move(opened).value(), check.target, EPOLLOUT);
  }

  void ready() override {
    if (auto open = connected(); !open) return finish({false, open.error().text});
    finish({true, fmt::format("connected in {:.1f} ms", elapsed_milliseconds())});
  }

  [[nodiscard]] ProbeResult out_of_time() const override {
    return {false, fmt::format("connect: no answer within {}", limit_text())};
  }
};

}  // namespace

std::unique_ptr<Probe> start_tcp_probe(EventLoop& loop, const CheckConfig& check,
                                       ProbeCallback callback) {
  return std::make_unique<TcpProbe>(loop, check, std::move(callback));
}

}  // namespace xlb
