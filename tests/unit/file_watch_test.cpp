#include "io/file_watch.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace xlb {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  std::string folder;
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<FileWatch> watch;
  std::string last;
  std::string wanted;

  Fixture() {
    char name[] = "/tmp/xlb-watch-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    auto created = EventLoop::create();
    REQUIRE(created.ok());
    loop = std::move(created).value();
    auto made = FileWatch::create(*loop, [this](const std::string&, const FileWatch::Content& now) {
      last = now.missing.empty() ? now.text : "missing";
      if (last == wanted) loop->stop();
    });
    REQUIRE(made.ok());
    watch = std::move(made).value();
  }
  ~Fixture() {
    watch.reset();
    std::filesystem::remove_all(folder);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return folder + "/" + name; }
  static void write(const std::string& file, const std::string& text) {
    std::ofstream(file) << text;
  }

  // Whether the last content told becomes `text`.
  bool becomes(const std::string& text) {
    wanted = text;
    auto timer = loop->timer(EventLoop::Urgency::normal, [this] { loop->stop(); });
    timer.arm(loop->now() + 10s);
    REQUIRE(loop->run().ok());
    return last == text;
  }
};

TEST_CASE_FIXTURE(Fixture, "file watch: a file is told when it appears, changes and goes") {
  watch->follow({path("f")});
  CHECK(becomes("missing"));
  write(path("f"), "1");
  CHECK(becomes("1"));
  write(path("f"), "22");
  CHECK(becomes("22"));
  write(path("new"), "3");
  std::filesystem::rename(path("new"), path("f"));
  CHECK(becomes("3"));
  std::filesystem::remove(path("f"));
  CHECK(becomes("missing"));
}

TEST_CASE_FIXTURE(Fixture, "file watch: a directory may be made later, removed and made again") {
  watch->follow({path("d/f")});
  CHECK(becomes("missing"));
  std::filesystem::create_directory(path("d"));
  write(path("d/f"), "1");
  CHECK(becomes("1"));
  std::filesystem::remove_all(path("d"));
  CHECK(becomes("missing"));
  std::filesystem::create_directory(path("d"));
  write(path("d/f"), "2");
  CHECK(becomes("2"));
}

TEST_CASE_FIXTURE(Fixture, "file watch: through a symbolic link") {
  std::filesystem::create_directory(path("real"));
  write(path("real/f"), "1");
  std::filesystem::create_symlink(path("real/f"), path("f"));
  watch->follow({path("f")});
  CHECK(becomes("1"));
  write(path("real/f"), "2");
  CHECK(becomes("2"));
}

TEST_CASE_FIXTURE(Fixture, "file watch: the first value is written if there is none, or anyway") {
  write(path("there"), "7");
  watch->write_first(path("there"), "1", false);
  watch->follow({path("there")});
  CHECK(becomes("7"));
  watch->write_first(path("there"), "1", true);
  CHECK(becomes("1"));
  watch->write_first(path("new"), "5", false);
  watch->follow({path("new")});
  CHECK(becomes("5"));
}

}  // namespace
}  // namespace xlb
