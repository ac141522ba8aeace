#include "io/probe/smtp_probe.h"

#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <utility>

#include "core/smtp_dialogue.h"
#include "io/probe/probe_socket.h"
#include "io/probe/socket_probe.h"

namespace xlb {
namespace {

constexpr size_t kBytesPerRead = 4096;

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

std::string helo_name_of(const CheckConfig& check) {
  const std::string& given = std::get<SmtpCheck>(check.own).helo_name;
  return given.empty() ? host_name() : given;
}

class SmtpProbe final : public SocketProbe {
 public:
  SmtpProbe(EventLoop& loop, const CheckConfig& check, ProbeCallback callback)
      : SocketProbe(loop, check, std::move(callback)), dialogue_(helo_name_of(check)) {
    if (auto begun = begin(check); !begun) fail_soon(begun.error().text);
  }

 private:
  Result<void> begin(const CheckConfig& check) {
    Result<UniqueFd> opened =
        open_probe_socket(check.target.address.family(), SOCK_STREAM, IPPROTO_TCP, check.source);
    if (!opened) return opened.error();
    end_by_reset(opened.value().get());
    return connect(std::move(opened).value(), check.target, EPOLLOUT);
  }

  void ready() override {
    if (!std::exchange(connected_, true)) {
      if (auto open = connected(); !open) return finish({false, open.error().text});
      return await(EPOLLIN);
    }
    std::array<char, kBytesPerRead> bytes;  // NOLINT: written by recv
    const ssize_t size = ::recv(socket(), bytes.data(), bytes.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) return finish({false, fail_errno(errno, "receive").text});
    if (size == 0) dialogue_.closed();
    // A line of a few bytes on a connection that has nothing else to send: it fits.
    const std::string answer = dialogue_.received({bytes.data(), static_cast<size_t>(size)});
    if (!answer.empty() && ::send(socket(), answer.data(), answer.size(), MSG_NOSIGNAL) !=
                               static_cast<ssize_t>(answer.size())) {
      return finish({false, fail_errno(errno, "send").text});
    }
    if (dialogue_.over()) {
      finish({dialogue_.state() == SmtpDialogue::State::passed, dialogue_.text()});
    }
  }

  [[nodiscard]] ProbeResult out_of_time() const override {
    if (!connected_) return {false, fmt::format("connect: no answer within {}", limit_text())};
    return {false, fmt::format("no {} within {}", dialogue_.awaited(), limit_text())};
  }

  SmtpDialogue dialogue_;
  bool connected_ = false;
};

}  // namespace

std::unique_ptr<Probe> start_smtp_probe(EventLoop& loop, const CheckConfig& check,
                                        ProbeCallback callback) {
  return std::make_unique<SmtpProbe>(loop, check, std::move(callback));
}

}  // namespace xlb
