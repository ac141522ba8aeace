#include "io/process_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/tracking.h"

namespace xlb {
namespace {

constexpr int kScanIntervalMs = 1000;
constexpr int kAnswerMs = 250;  // the kernel acknowledges a listener at once, or never
constexpr size_t kMostCommandBytes = 4096;

// linux/cn_proc.h has them in one scope or another, by its age.
constexpr unsigned kFork = 0x00000001;
constexpr unsigned kExec = 0x00000002;
constexpr unsigned kComm = 0x00000200;
constexpr unsigned kExit = 0x80000000;

std::string text_of(const std::string& path, size_t most) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(most, '\0');
  const ssize_t count = fd.valid() ? ::read(fd.get(), text.data(), text.size()) : 0;
  text.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return text;
}

std::vector<std::string> words_of(const std::string& command_line) {
  std::vector<std::string> result;
  for (size_t begin = 0; begin < command_line.size();) {
    const size_t end = std::min(command_line.find('\0', begin), command_line.size());
    result.push_back(command_line.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

// Which blocks a process belongs to.
class Recogniser {
 public:
  explicit Recogniser(std::vector<TrackProcessConfig> blocks) : blocks_(std::move(blocks)) {
    for (const TrackProcessConfig& block : blocks_)
      wants_commands_ = wants_commands_ || block.full_command;
  }
  [[nodiscard]] const std::vector<TrackProcessConfig>& blocks() const { return blocks_; }

  // Empty: none, or it has ended.
  [[nodiscard]] std::vector<bool> of(pid_t pid) const {
    const std::string folder = "/proc/" + std::to_string(pid);
    // "PID (comm) S ...": the name itself may hold parentheses.
    const std::string stat = text_of(folder + "/stat", 512);
    const size_t begin = stat.find('(');
    const size_t end = stat.rfind(')');
    if (begin == std::string::npos || end == std::string::npos || end + 2 >= stat.size()) return {};
    if (stat[end + 2] == 'Z' || stat[end + 2] == 'X') return {};
    const std::string_view name = std::string_view(stat).substr(begin + 1, end - begin - 1);
    std::vector<std::string> words;
    if (wants_commands_) words = words_of(text_of(folder + "/cmdline", kMostCommandBytes));
    std::vector<bool> result(blocks_.size());
    bool any = false;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      result[i] = tracking::matches(blocks_[i], name, words);
      any = any || result[i];
    }
    return any ? result : std::vector<bool>();
  }

 private:
  std::vector<TrackProcessConfig> blocks_;
  bool wants_commands_ = false;
};

// The kernel's process events.
class Connector {
 public:
  Result<void> open() {
    fd_.reset(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR));
    if (!fd_.valid()) return fail_errno(errno, "cannot open a netlink connector");
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = CN_IDX_PROC;
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return fail_errno(errno, "cannot listen to process events");
    }
    const int bytes = 1 << 20;
    (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    if (auto sent = subscribe(); !sent) return sent;
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kAnswerMs) <= 0) return fail("the kernel tells no process events here");
    return {};
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

  // Calls back for each event; false: some were lost.
  bool receive(const std::function<void(const proc_event&)>& handle) const {
    alignas(nlmsghdr) std::array<char, 8192> buffer{};
    while (true) {
      const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (count < 0) return errno != ENOBUFS;
      constexpr size_t kHead = NLMSG_HDRLEN + sizeof(cn_msg);
      if (static_cast<size_t>(count) < kHead) continue;
      proc_event event{};
      std::memcpy(&event, buffer.data() + kHead,
                  std::min(sizeof event, static_cast<size_t>(count) - kHead));
      handle(event);
    }
  }

 private:
  [[nodiscard]] Result<void> subscribe() const {
    alignas(nlmsghdr) std::array<char, NLMSG_SPACE(sizeof(cn_msg) + sizeof(uint32_t))> buffer{};
    nlmsghdr head{};
    head.nlmsg_len = NLMSG_LENGTH(sizeof(cn_msg) + sizeof(uint32_t));
    head.nlmsg_type = NLMSG_DONE;
    cn_msg message{};
    message.id = {CN_IDX_PROC, CN_VAL_PROC};
    message.len = sizeof(uint32_t);
    const uint32_t listen = PROC_CN_MCAST_LISTEN;
    std::memcpy(buffer.data(), &head, sizeof head);
    std::memcpy(buffer.data() + NLMSG_HDRLEN, &message, sizeof message);
    std::memcpy(buffer.data() + NLMSG_HDRLEN + sizeof message, &listen, sizeof listen);
    if (::send(fd_.get(), buffer.data(), head.nlmsg_len, 0) < 0) {
      return fail_errno(errno, "cannot subscribe to process events");
    }
    return {};
  }

  UniqueFd fd_;
};

}  // namespace

// Of the loop and the thread.
struct ProcessWatch::Shared : std::enable_shared_from_this<ProcessWatch::Shared> {
  Shared(EventLoop& event_loop, Handler handle, MeansHandler means_known)
      : loop(event_loop), handler(std::move(handle)), means(std::move(means_known)) {}

  EventLoop& loop;
  Handler handler;       // the loop's
  MeansHandler means;    // the loop's
  bool alive = true;     // the loop's
  uint64_t current = 0;  // the loop's: the last order's number
  UniqueFd wake;
  std::thread thread;

  std::mutex mutex;
  std::optional<std::vector<TrackProcessConfig>> order;  // under mutex
  uint64_t order_number = 0;                             // under mutex
  bool stopping = false;                                 // under mutex

  // The thread's.
  std::unique_ptr<Recogniser> recogniser;
  uint64_t number = 0;
  std::map<pid_t, std::vector<bool>> members;
  std::vector<std::optional<uint32_t>> told;
  Connector connector;
  bool by_events = false;

  void serve() {
    const auto opened = connector.open();
    by_events = opened.ok();
    loop.post([self = shared_from_this(), why = opened ? std::string() : opened.error().text] {
      if (self->alive) self->means(why);
    });
    while (take_order()) {
      tell();
      wait();
    }
  }

  bool take_order() {
    std::optional<std::vector<TrackProcessConfig>> taken;
    {
      const std::lock_guard lock(mutex);
      if (stopping) return false;
      taken = std::exchange(order, std::nullopt);
      number = order_number;
    }
    if (!taken) return true;
    recogniser = std::make_unique<Recogniser>(std::move(*taken));
    told.assign(recogniser->blocks().size(), std::nullopt);
    scan();
    return true;
  }

  void wait() {
    std::array<pollfd, 2> waiting{{{wake.get(), POLLIN, 0}, {connector.fd(), POLLIN, 0}}};
    const bool idle = recogniser->blocks().empty();
    (void)::poll(waiting.data(), by_events ? 2 : 1, by_events || idle ? -1 : kScanIntervalMs);
    if ((waiting[0].revents & POLLIN) != 0) {
      uint64_t count = 0;
      (void)!::read(wake.get(), &count, sizeof count);
    }
    if (!by_events) return scan();
    const bool whole = connector.receive([this](const proc_event& event) { follow_event(event); });
    if (!whole) scan();
  }

  void scan() {
    members.clear();
    DIR* const folder = ::opendir("/proc");
    if (folder == nullptr) return;
    while (const dirent* entry = ::readdir(folder)) {
      pid_t pid = 0;
      const char* const end = entry->d_name + std::strlen(entry->d_name);
      const auto [stopped, code] = std::from_chars(entry->d_name, end, pid);
      if (code == std::errc() && stopped == end) look_at(pid);
    }
    (void)::closedir(folder);
  }

  void look_at(pid_t pid) {
    auto belongs = recogniser->of(pid);
    if (belongs.empty()) {
      members.erase(pid);
    } else {
      members[pid] = std::move(belongs);
    }
  }

  void follow_event(const proc_event& event) {
    const auto& what = event.event_data;
    switch (static_cast<unsigned>(event.what)) {
      case kFork:
        if (what.fork.child_pid == what.fork.child_tgid) look_at(what.fork.child_pid);
        return;
      case kExec:
        return look_at(what.exec.process_tgid);
      case kComm:
        if (what.comm.process_pid == what.comm.process_tgid) look_at(what.comm.process_pid);
        return;
      case kExit:
        if (what.exit.process_pid == what.exit.process_tgid) members.erase(what.exit.process_pid);
        return;
      default:
        return;
    }
  }

  void tell() {
    for (size_t i = 0; i < told.size(); ++i) {
      uint32_t count = 0;
      for (const auto& [pid, belongs] : members)
        count += belongs[i] ? 1U : 0U;
      if (told[i] == count) continue;
      told[i] = count;
      loop.post(
          [self = shared_from_this(), of = number, name = recogniser->blocks()[i].name, count] {
            if (self->alive && self->current == of) self->handler(name, count);
          });
    }
  }

  void poke() const {
    const uint64_t one = 1;
    (void)!::write(wake.get(), &one, sizeof one);
  }
};

ProcessWatch::ProcessWatch(EventLoop& loop, Handler handler, MeansHandler means)
    : shared_(std::make_shared<Shared>(loop, std::move(handler), std::move(means))) {}

ProcessWatch::~ProcessWatch() {
  shared_->alive = false;
  if (!shared_->thread.joinable()) return;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->poke();
  shared_->thread.join();
}

void ProcessWatch::follow(std::vector<TrackProcessConfig> blocks) {
  if (blocks.empty() && !shared_->thread.joinable()) return;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->order = std::move(blocks);
    shared_->current = ++shared_->order_number;
  }
  start();
}

void ProcessWatch::start() {
  if (shared_->thread.joinable()) return shared_->poke();
  shared_->wake.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  // The new thread inherits the mask: signals are the loop's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  shared_->thread = std::thread([shared = shared_] { shared->serve(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace xlb
