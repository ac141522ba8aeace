#include "io/notify_fifo.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <utility>

#include "io/script_security.h"

namespace xlb {
namespace {

constexpr size_t kMostWaiting = 4096;  // lines

Result<void> give_to(const NotifyFifoConfig& config) {
  if (config.user.empty() && config.group.empty()) return {};
  ScriptCommand owner;
  owner.user = config.user;
  owner.group = config.group;
  const auto identity = script_identity(owner, {});
  if (!identity) return identity.error();
  if (!*identity) return {};
  if (::chown(config.path.c_str(), (*identity)->user, (*identity)->group) != 0) {
    return fail_errno(errno, "cannot give it to {}", config.user);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<NotifyFifo>> NotifyFifo::open(EventLoop& loop,
                                                     const NotifyFifoConfig& config) {
  const auto failed = [&](const Error& error) {
    return error.context(fmt::format("cannot open FIFO {}", config.path));
  };
  std::unique_ptr<NotifyFifo> fifo(new NotifyFifo(loop, config.path));
  if (::mkfifo(config.path.c_str(), 0600) == 0) {
    fifo->made_ = true;
    if (auto given = give_to(config); !given) return failed(given.error());
  } else if (errno != EEXIST) {
    return failed(fail_errno(errno, "cannot make it"));
  }
  // Open for both, it exists without a reader, and lines outlive a reader's restart.
  fifo->fd_.reset(::open(config.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!fifo->fd_.valid()) return failed(fail_errno(errno, "cannot open it"));
  struct stat found {};
  if (::fstat(fifo->fd_.get(), &found) != 0 || !S_ISFIFO(found.st_mode)) {
    return failed(fail("there is something that is no FIFO"));
  }
  auto watch = loop.watch(fifo->fd_.get(), 0, [raw = fifo.get()](uint32_t) { raw->flush(); });
  if (!watch) return failed(watch.error());
  fifo->watch_ = std::move(*watch);
  return fifo;
}

NotifyFifo::~NotifyFifo() {
  watch_.reset();
  if (made_) (void)::unlink(path_.c_str());
}

void NotifyFifo::write(const std::string& line) {
  if (waiting_.size() == kMostWaiting) {
    waiting_.pop_front();
    ++lost_;
  }
  waiting_.push_back(line + "\n");
  ++lines_;
  flush();
}

// A line of at most PIPE_BUF bytes is written whole or not at all; a longer one, which no name that
// the configuration bounds can make, might not be.
void NotifyFifo::flush() {
  while (!waiting_.empty()) {
    std::string& line = waiting_.front();
    const ssize_t count = ::write(fd_.get(), line.data(), line.size());
    if (count < 0) break;
    if (static_cast<size_t>(count) < line.size()) {
      line.erase(0, static_cast<size_t>(count));
      break;
    }
    waiting_.pop_front();
  }
  watch_.set_events(waiting_.empty() ? 0U : static_cast<uint32_t>(EPOLLOUT));
}

bool NotifyFifo::drained() const {
  int left = 0;
  return waiting_.empty() && (::ioctl(fd_.get(), FIONREAD, &left) != 0 || left == 0);
}

}  // namespace xlb
