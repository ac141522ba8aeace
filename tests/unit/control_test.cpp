#include "io/control.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "io/control_client.h"

using namespace xlb;
using Outcome = ControlAnswer::Outcome;

namespace {

constexpr int kItems = 200'000;

// Counts what it had to produce, so that a test can tell that nothing piles up.
class Listing : public ControlReply {
 public:
  explicit Listing(std::atomic<int>& produced) : produced_(produced) { produced_ = 0; }
  bool next(std::string& out) override {
    for (int i = 0; i < 100; ++i) {
      append_line(out, Connection{Protocol::tcp,
                                  "ESTABLISHED",
                                  std::chrono::seconds(900),
                                  {IpAddress::v4(192, 0, 2, 1), 40000},
                                  {IpAddress::v4(10, 10, 0, 3), 80},
                                  {IpAddress::v4(10, 10, 0, 1), 80}});
      ++produced_;
    }
    return produced_ < kItems;
  }

 private:
  std::atomic<int>& produced_;
};

// A daemon in a thread: loop and control socket in a directory of its own.
struct Daemon {
  std::string directory;
  std::string path;
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<ControlServer> server;
  std::thread thread;
  std::atomic<int> produced{0};

  Daemon() {
    char pattern[] = "/tmp/xlb-control-XXXXXX";
    directory = ::mkdtemp(pattern);
    path = directory + "/control";
    auto created = EventLoop::create();
    REQUIRE(created.ok());
    loop = std::move(*created);
    open();
    thread = std::thread([this] { (void)loop->run(); });
  }
  ~Daemon() {
    loop->post([this] { loop->stop(); });
    thread.join();
    server.reset();
    ::rmdir(directory.c_str());
  }
  void open() {
    auto opened = ControlServer::open(
        *loop, path, [this](const ControlRequest& request) { return answer(request); });
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text));
    server = std::move(*opened);
  }
  std::unique_ptr<ControlReply> answer(const ControlRequest& request) {
    if (request.command == "status") return document_reply("{\"version\":\"0.1.0\"}\n");
    if (request.command == "connections") return std::make_unique<Listing>(produced);
    if (request.command == "late") {
      return stream_reply([turn = 0](std::string& out) mutable {
        if (++turn < 20) return true;  // a sweep first, say
        out += "{}\n";
        return false;
      });
    }
    if (request.command == "refuse") {
      return failure_reply(
          {ControlFailure::kNotFound, "cannot find " + request.arguments.at("who"), "look again"});
    }
    return nullptr;
  }
};

ControlAnswer ask(const Daemon& daemon, const ControlRequest& request,
                  std::vector<std::string>* lines = nullptr) {
  return control_request(daemon.path, request, [&](std::string_view line) {
    if (lines != nullptr) lines->emplace_back(line);
  });
}

UniqueFd connect_to(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{10, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

std::string read_to_end(const UniqueFd& socket) {
  std::string result;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = ::recv(socket.get(), buffer, sizeof buffer, 0)) > 0) {
    result.append(buffer, static_cast<size_t>(got));
  }
  return result;
}

std::string raw(const Daemon& daemon, const std::string& request) {
  const UniqueFd socket = connect_to(daemon.path);
  (void)::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
  return read_to_end(socket);
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the control socket answers a document and is closed to others") {
  Daemon daemon;
  std::vector<std::string> lines;
  CHECK(ask(daemon, {"status", {}}, &lines).outcome == Outcome::answered);
  CHECK(lines == std::vector<std::string>{"{\"version\":\"0.1.0\"}"});
  struct stat found {};
  REQUIRE(::stat(daemon.path.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0660);
}

TEST_CASE("a reply may take several turns before it has anything to say") {
  Daemon daemon;
  std::vector<std::string> lines;
  CHECK(ask(daemon, {"late", {}}, &lines).outcome == Outcome::answered);
  CHECK(lines.size() == 1);
}

TEST_CASE("a big listing arrives whole") {
  Daemon daemon;
  int count = 0;
  const auto answer =
      control_request(daemon.path, {"connections", {}}, [&](std::string_view) { ++count; });
  CHECK(answer.outcome == Outcome::answered);
  CHECK(count == kItems);
}

TEST_CASE("a reader that stops neither blocks the loop nor makes the daemon produce ahead") {
  Daemon daemon;
  const UniqueFd slow = connect_to(daemon.path);
  const std::string request = to_line({"connections", {}});
  REQUIRE(::send(slow.get(), request.data(), request.size(), 0) == ssize_t(request.size()));
  char first = 0;
  REQUIRE(::recv(slow.get(), &first, 1, 0) == 1);
  for (int i = 0; i < 50; ++i)
    CHECK(ask(daemon, {"status", {}}).outcome == Outcome::answered);
  CHECK(daemon.produced < kItems / 10);
  const std::string rest = read_to_end(slow);
  CHECK(daemon.produced == kItems);
  CHECK(rest.substr(rest.size() - 20) == "{\"end\":{\"ok\":true}}\n");
}

TEST_CASE("garbage requests get an error each, and the next client its answer") {
  Daemon daemon;
  for (const char* request :
       {"\n", "hello\n", "[1,2]\n", "{\"command\":7}\n", "{}\n", "{\"command\":\"status\"\n",
        "{\"command\":\"status\",\"deep\":[[[[]]]]}\n", "\xff\xfe\n", "GET / HTTP/1.1\r\n"}) {
    CHECK_MESSAGE(contains(raw(daemon, request), "{\"end\":{\"ok\":false,\"exit_status\":1,"),
                  request);
  }
  CHECK(contains(raw(daemon, "{\"command\":\"reboot\"}\n"), "no such command"));
  CHECK(ask(daemon, {"status", {}}).outcome == Outcome::answered);
}

TEST_CASE("an oversized request is refused without being read to its end") {
  Daemon daemon;
  const std::string huge(ControlServer::kMaxRequestBytes + 2, '[');
  CHECK(contains(raw(daemon, huge), "longer than 4096 bytes"));
  CHECK(contains(raw(daemon, huge + "\n"), "longer than 4096 bytes"));
}

TEST_CASE("idle clients do not keep others out") {
  Daemon daemon;
  std::vector<UniqueFd> idle;
  for (size_t i = 0; i < 2 * ControlServer::kMaxClients; ++i) {
    idle.push_back(connect_to(daemon.path));
    CHECK(ask(daemon, {"status", {}}).outcome == Outcome::answered);
  }
}

TEST_CASE("the daemon's refusal reaches the user with its hint and exit status") {
  Daemon daemon;
  const auto answer = ask(daemon, {"refuse", {{"who", "\"VI_9\""}}});
  CHECK(answer.outcome == Outcome::refused);
  CHECK(answer.failure.exit_status == 4);
  CHECK(answer.failure.error == "cannot find \"VI_9\"");
  CHECK(answer.failure.hint == "look again");
}

TEST_CASE("without a daemon the client names the socket") {
  const auto answer = control_request("/nonexistent/control", {"status", {}}, [](auto) {});
  CHECK(answer.outcome == Outcome::unreachable);
  CHECK(answer.failure.error ==
        "cannot reach xlbd at /nonexistent/control: No such file or directory");
  CHECK(contains(answer.failure.hint, "is xlbd running?"));
}

TEST_CASE("a dead daemon's socket is replaced, anything else is left alone") {
  char pattern[] = "/tmp/xlb-control-XXXXXX";
  const std::string directory = ::mkdtemp(pattern);
  const std::string path = directory + "/control";
  auto loop = EventLoop::create();
  REQUIRE(loop.ok());
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  const auto handler = [](const ControlRequest&) { return document_reply(""); };
  CHECK(control_request(path, {"status", {}}, [](auto) {}).outcome == Outcome::unreachable);
  CHECK(ControlServer::open(**loop, path, handler).ok());
  CHECK(::access(path.c_str(), F_OK) != 0);  // removed when the server went

  std::FILE* file = std::fopen(path.c_str(), "w");
  REQUIRE(file != nullptr);
  std::fclose(file);
  const auto refused = ControlServer::open(**loop, path, handler);
  REQUIRE_FALSE(refused.ok());
  CHECK(contains(refused.error().text, "something else has that name"));
  CHECK(::access(path.c_str(), F_OK) == 0);
  const auto too_long = ControlServer::open(**loop, "/" + std::string(200, 'x'), handler);
  REQUIRE_FALSE(too_long.ok());
  CHECK(contains(too_long.error().text, "longer than 107 bytes"));
  ::unlink(path.c_str());
  ::rmdir(directory.c_str());
}

TEST_CASE("items are one JSON object a line") {
  std::string lines;
  append_line(lines, Connection{Protocol::udp,
                                "UDP",
                                std::chrono::seconds(300),
                                {IpAddress::v4(192, 0, 2, 1), 5353},
                                {IpAddress::v4(10, 10, 0, 3), 53},
                                {IpAddress::v4(10, 10, 0, 1), 53}});
  CHECK(lines ==
        "{\"protocol\":\"UDP\",\"state\":\"UDP\",\"expires_in_s\":300,"
        "\"client_address\":\"192.0.2.1\",\"client_port\":5353,"
        "\"virtual_address\":\"10.10.0.3\",\"virtual_port\":53,"
        "\"real_address\":\"10.10.0.1\",\"real_port\":53}\n");
  lines.clear();
  append_line(lines, PersistentClient{Protocol::tcp,
                                      std::chrono::seconds(42),
                                      true,
                                      IpAddress::v4(192, 0, 2, 1),
                                      {IpAddress::v4(10, 10, 0, 3), 80},
                                      {IpAddress::v4(10, 10, 0, 1), 80}});
  CHECK(nlohmann::json::parse(lines)["live"] == true);
  CHECK(lines ==
        "{\"protocol\":\"TCP\",\"expires_in_s\":42,\"live\":true,\"client_address\":\"192.0.2.1\","
        "\"virtual_address\":\"10.10.0.3\",\"virtual_port\":80,"
        "\"real_address\":\"10.10.0.1\",\"real_port\":80}\n");
}
