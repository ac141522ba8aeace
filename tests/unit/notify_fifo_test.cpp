#include "io/notify_fifo.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/notify_line.h"

namespace xlb {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  std::string folder;
  std::unique_ptr<EventLoop> loop;
  NotifyFifoConfig config;

  Fixture() {
    char name[] = "/tmp/xlb-fifo-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    auto created = EventLoop::create();
    REQUIRE(created.ok());
    loop = std::move(created).value();
    config.path = folder + "/fifo";
  }
  ~Fixture() { std::filesystem::remove_all(folder); }

  [[nodiscard]] std::unique_ptr<NotifyFifo> open() const {
    auto fifo = NotifyFifo::open(*loop, config);
    REQUIRE(fifo.ok());
    return std::move(fifo).value();
  }
  [[nodiscard]] UniqueFd reader() const {
    UniqueFd fd(::open(config.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(fd.valid());
    return fd;
  }
  static std::string read_all(const UniqueFd& fd) {
    std::string text;
    std::array<char, 65536> buffer{};
    while (true) {
      const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
      if (count <= 0) return text;
      text.append(buffer.data(), static_cast<size_t>(count));
    }
  }
  void turn() const {
    auto timer = loop->timer(EventLoop::Urgency::normal, [this] { loop->stop(); });
    timer.arm(loop->now() + 20ms);
    REQUIRE(loop->run().ok());
  }
};

TEST_CASE_FIXTURE(Fixture, "notify fifo: lines written before there is a reader arrive in order") {
  const auto fifo = open();
  fifo->write("one");
  fifo->write("two");
  CHECK_FALSE(fifo->drained());
  const UniqueFd fd = reader();
  CHECK(read_all(fd) == "one\ntwo\n");
  CHECK(fifo->drained());
  CHECK(fifo->lines() == 2);
  CHECK(fifo->lost() == 0);
}

TEST_CASE_FIXTURE(Fixture, "notify fifo: more than the kernel keeps waits for the reader") {
  const auto fifo = open();
  const std::string line(99, 'x');
  for (int i = 0; i < 2000; ++i)
    fifo->write(line);
  const UniqueFd fd = reader();
  size_t bytes = read_all(fd).size();
  CHECK(bytes < 200'000);
  for (int i = 0; i < 100 && bytes < 200'000; ++i) {
    turn();
    bytes += read_all(fd).size();
  }
  CHECK(bytes == 200'000);
  CHECK(fifo->lost() == 0);
}

TEST_CASE_FIXTURE(Fixture, "notify fifo: without a reader the oldest waiting lines are lost") {
  const auto fifo = open();
  for (int i = 0; i < 20000; ++i)
    fifo->write("line " + std::to_string(i));
  CHECK(fifo->lines() == 20000);
  CHECK(fifo->lost() > 0);
  const UniqueFd fd = reader();
  std::string text = read_all(fd);
  for (int i = 0; i < 100 && !fifo->drained(); ++i) {
    turn();
    text += read_all(fd);
  }
  CHECK(text.starts_with("line 0\n"));
  CHECK(text.ends_with("line 19999\n"));
}

TEST_CASE_FIXTURE(Fixture, "notify fifo: what open() made goes with it, what was there stays") {
  open().reset();
  CHECK_FALSE(std::filesystem::exists(config.path));
  REQUIRE(::mkfifo(config.path.c_str(), 0600) == 0);
  open().reset();
  CHECK(std::filesystem::exists(config.path));
}

TEST_CASE_FIXTURE(Fixture, "notify fifo: something else in its place is an error") {
  config.path = folder;
  CHECK_FALSE(NotifyFifo::open(*loop, config).ok());
  config.path = folder + "/none/fifo";
  const auto fifo = NotifyFifo::open(*loop, config);
  REQUIRE_FALSE(fifo.ok());
  CHECK(fifo.error().text ==
        "cannot open FIFO " + config.path + ": cannot make it: No such file or directory");
}

TEST_CASE("notify lines are keepalived's") {
  CHECK(line_of(VrrpNotice{false, "VI_1", "MASTER", 100}) == "INSTANCE \"VI_1\" MASTER 100");
  CHECK(line_of(VrrpNotice{true, "G", "BACKUP", 0}) == "GROUP \"G\" BACKUP 0");
  const ServiceKey service{*IpAddress::parse("10.0.0.1"), 80, Protocol::tcp};
  QuorumEvent event;
  CHECK(line_of(service, event) == "VS [10.0.0.1]:tcp:80 UP");
  event.kind = QuorumEvent::Kind::real_server_down;
  event.real_server = Endpoint{*IpAddress::parse("10.0.0.2"), 8080};
  CHECK(line_of(service, event) == "RS [10.0.0.2]:tcp:8080 [10.0.0.1]:tcp:80 DOWN");
}

}  // namespace
}  // namespace xlb
