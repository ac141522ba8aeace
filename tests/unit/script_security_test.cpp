#include "io/script_security.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace xlb {
namespace {

// Below /root, where nobody but root may write on the way.
struct Fixture {
  std::string folder;

  Fixture() {
    char name[] = "/root/xlb-security-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    REQUIRE(::chmod(name, 0755) == 0);
    std::ofstream(script()) << "#!/bin/sh\n";
    REQUIRE(::chmod(script().c_str(), 0755) == 0);
  }
  ~Fixture() { std::filesystem::remove_all(folder); }
  [[nodiscard]] std::string script() const { return folder + "/check"; }

  static ScriptCommand as_root(const std::string& program) {
    ScriptCommand command;
    command.argv = {program};
    command.user = "root";
    return command;
  }
  [[nodiscard]] static std::string refusal(const ScriptCommand& command,
                                           const ScriptRules& rules = {"", "", true}) {
    const auto allowed = script_allowed(command, rules);
    return allowed ? "" : allowed.error().text;
  }
};

bool not_root() {
  if (::geteuid() == 0) return false;
  MESSAGE("skipped: needs root");
  return true;
}

TEST_CASE("script security: what root alone may write is run") {
  if (not_root()) return;
  const Fixture fixture;
  CHECK(Fixture::refusal(Fixture::as_root(fixture.script())).empty());
  CHECK(Fixture::refusal(Fixture::as_root("/bin/true")).empty());
  CHECK(Fixture::refusal(Fixture::as_root("true")).empty());
  CHECK(Fixture::refusal(Fixture::as_root("/nonexistent/x")).empty());
}

TEST_CASE("script security: the element that others may write to is named") {
  if (not_root()) return;
  const Fixture fixture;
  REQUIRE(::chmod(fixture.script().c_str(), 0777) == 0);
  CHECK(Fixture::refusal(Fixture::as_root(fixture.script())) ==
        "refused by enable_script_security: it would run as root, but " + fixture.script() +
            ": everybody may write to it");
  REQUIRE(::chmod(fixture.script().c_str(), 0755) == 0);
  REQUIRE(::chmod(fixture.folder.c_str(), 0777) == 0);
  CHECK(Fixture::refusal(Fixture::as_root(fixture.script())) ==
        "refused by enable_script_security: it would run as root, but " + fixture.folder +
            ": everybody may write to it");
  REQUIRE(::chmod(fixture.folder.c_str(), 01777) == 0);  // as /tmp: nobody may replace the script
  CHECK(Fixture::refusal(Fixture::as_root(fixture.script())).empty());
  REQUIRE(::chown(fixture.script().c_str(), 1, 0) == 0);
  CHECK(Fixture::refusal(Fixture::as_root(fixture.script())) ==
        "refused by enable_script_security: it would run as root, but " + fixture.script() +
            ": it belongs to user 1, not root");
}

TEST_CASE("script security: without it, and as another user, any script runs") {
  if (not_root()) return;
  const Fixture fixture;
  REQUIRE(::chmod(fixture.script().c_str(), 0777) == 0);
  CHECK(Fixture::refusal(Fixture::as_root(fixture.script()), {}).empty());
  ScriptCommand command = Fixture::as_root(fixture.script());
  command.user = "daemon";
  CHECK(Fixture::refusal(command).empty());
  command.group = "root";  // root's group is as good as root
  CHECK_FALSE(Fixture::refusal(command).empty());
}

TEST_CASE("script security: a symbolic link is followed before its target is looked at") {
  if (not_root()) return;
  const Fixture fixture;
  const std::string link = fixture.folder + "/link";
  REQUIRE(::symlink("/bin/true", link.c_str()) == 0);
  const auto path = script_path(Fixture::as_root(link), std::nullopt, {"", "", true});
  REQUIRE(path.ok());
  CHECK(*path == std::filesystem::canonical("/bin/true").string());
  const auto as_written = script_path(Fixture::as_root(link), std::nullopt, {"", "", true, true});
  REQUIRE(as_written.ok());
  CHECK(*as_written == link);
  REQUIRE(::chmod(fixture.folder.c_str(), 0777) == 0);
  CHECK_FALSE(script_path(Fixture::as_root(link), std::nullopt, {"", "", true, true}).ok());
}

TEST_CASE("script security: a command without a user runs as script_user, with its groups") {
  if (not_root()) return;
  ScriptCommand command;
  command.argv = {"/bin/true"};
  auto identity = script_identity(command, {"daemon", "bin"});
  REQUIRE(identity.ok());
  REQUIRE(identity->has_value());
  CHECK((*identity)->user == 1);
  CHECK((*identity)->groups == std::vector<gid_t>{(*identity)->group});
  command.user = "root";
  identity = script_identity(command, {"daemon", "bin", true, false, true});
  REQUIRE(identity.ok());
  CHECK((*identity)->user == 0);
  CHECK((*identity)->group == 0);
  CHECK_FALSE((*identity)->groups.empty());
}

TEST_CASE("script security: with it, nothing runs as root unasked") {
  if (not_root()) return;
  ScriptCommand command;
  command.argv = {"/bin/true"};
  const auto identity = script_identity(command, {"", "", true});
  if (identity.ok()) {
    MESSAGE("skipped: this host has a user keepalived_script");
    return;
  }
  CHECK(identity.error().text.find("there is no user keepalived_script") == 0);
}

}  // namespace
}  // namespace xlb
