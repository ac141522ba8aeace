#include "io/script_security.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace xlb {
namespace {

constexpr const char* kDefaultUser = "keepalived_script";
constexpr size_t kDatabaseRoom = 16384;  // for one entry's text

struct User {
  std::string name;
  uid_t id = 0;
  gid_t group = 0;
};

Result<std::optional<User>> find_user(const std::string& name) {
  std::vector<char> room(kDatabaseRoom);
  passwd entry{};
  passwd* found = nullptr;
  const int code = name.empty()
                       ? ::getpwuid_r(::geteuid(), &entry, room.data(), room.size(), &found)
                       : ::getpwnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  // Some user databases answer "no such user" with one of these.
  if (code != 0 && code != ENOENT && code != ESRCH) {
    return fail_errno(code, "cannot look up user {}", name);
  }
  if (found == nullptr) return std::optional<User>();
  return std::optional<User>({found->pw_name, found->pw_uid, found->pw_gid});
}

Result<gid_t> group_id(const std::string& name) {
  std::vector<char> room(kDatabaseRoom);
  group entry{};
  group* found = nullptr;
  const int code = ::getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  if (code != 0) return fail_errno(code, "cannot look up group {}", name);
  if (found == nullptr) return fail("there is no group {}", name);
  return found->gr_gid;
}

std::vector<gid_t> groups_of(const User& user, gid_t group) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<size_t>(count));
  while (::getgrouplist(user.name.c_str(), group, groups.data(), &count) < 0) {
    groups.resize(std::max(groups.size() * 2, static_cast<size_t>(count)));
    count = static_cast<int>(groups.size());
  }
  groups.resize(static_cast<size_t>(count));
  return groups;
}

// The command's own user, else script_user, else keepalived_script; nullopt: none of them.
Result<std::optional<User>> user_of(const ScriptCommand& command, const ScriptRules& rules) {
  const std::string& wanted = command.user.empty() ? rules.user : command.user;
  const bool own = wanted.empty() && !command.group.empty();
  if (!wanted.empty() || own) {
    auto user = find_user(wanted);
    if (user && !*user) return fail("there is no user {}", wanted);
    return user;
  }
  auto user = find_user(kDefaultUser);
  if (user && !*user && rules.security) {
    return fail(
        "there is no user {}, and enable_script_security lets no script run as root unasked: "
        "create it, or say script_user",
        kDefaultUser);
  }
  return user;
}

// Why somebody but root may change this element of a path; empty: nobody may.
std::string weakness(const struct stat& element) {
  if (element.st_uid != 0) return fmt::format("it belongs to user {}, not root", element.st_uid);
  // Of others' files in a directory with the sticky bit nobody may take the place.
  const bool sticky = S_ISDIR(element.st_mode) && (element.st_mode & S_ISVTX) != 0;
  if (sticky || S_ISLNK(element.st_mode)) return "";
  if ((element.st_mode & S_IWOTH) != 0) return "everybody may write to it";
  if ((element.st_mode & S_IWGRP) != 0 && element.st_gid != 0) {
    return fmt::format("group {} may write to it", element.st_gid);
  }
  return "";
}

Result<void> check_elements(const std::string& path) {
  for (size_t slash = 0; slash != std::string::npos;) {
    slash = path.find('/', slash + 1);
    const std::string element = path.substr(0, slash);
    struct stat found {};
    if (::lstat(element.empty() ? "/" : element.c_str(), &found) != 0) {
      return fail_errno(errno, "{}", element);
    }
    const std::string why = weakness(found);
    if (why.empty()) continue;
    return fail("refused by enable_script_security: it would run as root, but {}: {}", element,
                why);
  }
  struct stat root {};
  if (::lstat("/", &root) == 0 && !weakness(root).empty()) {
    return fail("refused by enable_script_security: it would run as root, but /: {}",
                weakness(root));
  }
  return {};
}

std::optional<std::string> resolved(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> found(::realpath(path.c_str(), nullptr),
                                                          &std::free);
  if (!found) return std::nullopt;
  return std::string(found.get());
}

}  // namespace

ScriptRules script_rules_of(const GlobalSettings& global) {
  ScriptRules rules;
  rules.user = global.script_user;
  rules.group = global.script_group;
  rules.security = global.scripts.security;
  rules.symlink_paths = global.scripts.symlink_paths;
  rules.supplementary_groups = global.scripts.supplementary_groups;
  return rules;
}

Result<std::optional<ScriptIdentity>> script_identity(const ScriptCommand& command,
                                                      const ScriptRules& rules) {
  const auto user = user_of(command, rules);
  if (!user) return user.error();
  if (!*user) return std::optional<ScriptIdentity>();
  ScriptIdentity identity;
  identity.user = (*user)->id;
  identity.group = (*user)->group;
  const std::string& group = command.user.empty() && command.group.empty() && !rules.user.empty()
                                 ? rules.group
                                 : command.group;
  if (!group.empty()) {
    const auto id = group_id(group);
    if (!id) return id.error();
    identity.group = *id;
  }
  // An unprivileged daemon may only stay what it is.
  if (::geteuid() != 0 && identity.user == ::geteuid() && identity.group == ::getegid()) {
    return std::optional<ScriptIdentity>();
  }
  if (rules.supplementary_groups) {
    identity.groups = groups_of(**user, identity.group);
  } else {
    identity.groups = {identity.group};
  }
  return std::optional<ScriptIdentity>(std::move(identity));
}

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* from_environment = ::getenv("PATH");
  std::string_view folders = from_environment != nullptr
                                 ? from_environment
                                 : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  while (!folders.empty()) {
    const size_t end = std::min(folders.find(':'), folders.size());
    std::string path = fmt::format("{}/{}", folders.substr(0, end), name);
    if (end > 0 && ::access(path.c_str(), X_OK) == 0) return path;
    folders.remove_prefix(std::min(end + 1, folders.size()));
  }
  return name;
}

Result<std::string> script_path(const ScriptCommand& command,
                                const std::optional<ScriptIdentity>& identity,
                                const ScriptRules& rules) {
  std::string path = find_program(command.argv.front());
  const bool as_root = identity ? identity->user == 0 || identity->group == 0 : ::geteuid() == 0;
  if (!rules.security || !as_root) return path;
  if (!path.starts_with('/')) {
    return fail("refused by enable_script_security: its path does not begin with /");
  }
  const auto leads_to = resolved(path);
  if (!leads_to) return path;  // absent: executing it will say so
  if (auto checked = check_elements(*leads_to); !checked) return checked.error();
  if (!rules.symlink_paths) return *leads_to;
  if (auto checked = check_elements(path); !checked) return checked.error();
  return path;
}

Result<void> script_allowed(const ScriptCommand& command, const ScriptRules& rules) {
  const auto identity = script_identity(command, rules);
  if (!identity) return identity.error();
  const auto path = script_path(command, *identity, rules);
  if (!path) return path.error();
  return {};
}

}  // namespace xlb
