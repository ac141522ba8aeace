// Trackers, sync groups and notifications in the configuration.
#include <doctest/doctest.h>

#include <string>

#include "config_source.h"
#include "core/config_diff.h"

namespace xlb {
namespace {

using namespace std::chrono_literals;
using test::parse_text;
using test::report;

std::string instance(const std::string& name, int id, const std::string& words) {
  return "vrrp_instance " + name + " {\n interface eth0\n virtual_router_id " + std::to_string(id) +
         "\n priority 100\n virtual_ipaddress {\n 10.0.0." + std::to_string(id) + "\n }\n" + words +
         "\n}\n";
}

Config good(const std::string& text) {
  const ParseOutcome outcome = parse_text(text);
  CHECK(report(outcome).empty());
  REQUIRE(outcome.config.has_value());
  return *outcome.config;
}

Config config_of(const std::string& text) {
  const ParseOutcome outcome = parse_text(text);
  CAPTURE(report(outcome));
  REQUIRE(outcome.config.has_value());
  return *outcome.config;
}

TEST_CASE("config: a vrrp_script in full") {
  const Config config = config_of(R"(
vrrp_script chk {
  script "/usr/bin/killall -0 'my haproxy'"
  interval 2.5
  timeout 3
  weight -20 reverse
  rise 2
  fall 4
  user nobody daemon
  init_fail
}
)" + instance("VI_1", 1, "track_script {\n chk\n }"));
  REQUIRE(config.track.scripts.size() == 1);
  const TrackScriptConfig& script = config.track.scripts[0];
  CHECK(script.command.argv == std::vector<std::string>{"/usr/bin/killall", "-0", "my haproxy"});
  CHECK(script.command.user == "nobody");
  CHECK(script.command.group == "daemon");
  CHECK(script.interval == 2500ms);
  CHECK(script.timeout == 3s);
  CHECK(script.weight == TrackWeight{-20, true});
  CHECK(script.rise == 2);
  CHECK(script.fall == 4);
  CHECK(script.init_fail);
  REQUIRE(config.vrrp_instances[0].tracking.uses.size() == 1);
  CHECK(config.vrrp_instances[0].tracking.uses[0].weight == TrackWeight{-20, true});
}

TEST_CASE("config: a script may be a file to open") {
  const auto argv = [](const std::string& script) {
    const ParseOutcome outcome =
        parse_text("vrrp_script chk {\n script \"" + script + "\"\n}\n" + instance("VI_1", 1, ""));
    REQUIRE(outcome.config.has_value());
    CHECK(report(outcome).find("obsolete") != std::string::npos);
    return outcome.config->track.scripts[0].command.argv;
  };
  CHECK(argv("</run/x") == std::vector<std::string>{"test", "-r", "/run/x"});
  CHECK(argv("< /run/x") == std::vector<std::string>{"test", "-r", "/run/x"});
  CHECK(argv("</dev/tcp/127.0.0.1/80") ==
        std::vector<std::string>{"bash", "-c", "exec <\"$0\"", "/dev/tcp/127.0.0.1/80"});
}

TEST_CASE("config: a use may come before its tracker, and have its own weight") {
  const Config config = config_of(instance("VI_1", 1, R"(
  track_script {
    chk weight 5 noreverse
  }
  track_file {
    f weight -3
  }
  track_process {
    p
  }
  track_interface {
    eth1
    eth2 weight 10 reverse
  }
  dont_track_primary)") + R"(
vrrp_script chk {
  script /bin/true
  weight 1 reverse
}
track_file f {
  file /run/f
  init_file -5 overwrite
}
vrrp_track_process p {
  process nginx
  quorum 2
  quorum_max 3
  delay 1.5
}
)");
  const VrrpTracking& tracking = config.vrrp_instances[0].tracking;
  REQUIRE(tracking.uses.size() == 5);
  CHECK(tracking.uses[0].weight == TrackWeight{5, false});
  CHECK(tracking.uses[1].weight == TrackWeight{-3, false});
  CHECK(tracking.uses[2].weight == TrackWeight{0, false});
  CHECK(tracking.uses[3].weight == TrackWeight{0, false});
  CHECK(tracking.uses[4].weight == TrackWeight{10, true});
  CHECK(tracking.dont_track_primary);
  CHECK(config.track.files[0].init == FileInit::overwrite);
  CHECK(config.track.files[0].init_value == -5);
  CHECK(config.track.processes[0].quorum_max == 3U);
  CHECK(config.track.processes[0].fork_delay == 1500ms);
  CHECK(config.track.processes[0].terminate_delay == 1500ms);
}

TEST_CASE("config: a use of nothing is an error of the check, and skipped at run time") {
  const std::string text = "vrrp_script check_a {\n script /bin/true\n}\n" +
                           instance("VI_1", 1, "track_script {\n check_b\n check_a\n }");
  const ParseOutcome checked = parse_text(text);
  CHECK_FALSE(checked.config.has_value());
  CHECK(report(checked).find("there is no vrrp_script `check_b`") != std::string::npos);
  CHECK(report(checked).find("did you mean `check_a`?") != std::string::npos);
  const ParseOutcome run = parse_text(text, false);
  REQUIRE(run.config.has_value());
  CHECK(run.config->vrrp_instances[0].tracking.uses.size() == 1);
}

TEST_CASE("config: processes by their command line") {
  const Config config = good(R"(
vrrp_track_process a {
  process "/usr/bin/my app" -x "y z"
}
vrrp_track_process b {
  process /usr/sbin/nginx
  full_command
}
vrrp_track_process c {
  process python3 app.py
  param_match partial
  weight 0
}
)" + instance("VI_1", 1, ""));
  REQUIRE(config.track.processes.size() == 3);
  CHECK(config.track.processes[0].process == "/usr/bin/my app");
  CHECK(config.track.processes[0].parameters == std::vector<std::string>{"-x", "y z"});
  CHECK(config.track.processes[0].match == ParameterMatch::exact);
  CHECK(config.track.processes[0].full_command);
  CHECK(config.track.processes[1].match == ParameterMatch::none);
  CHECK(config.track.processes[2].match == ParameterMatch::partial);
}

constexpr const char* kTwoGrouped = R"(
vrrp_script chk {
  script /bin/true
  weight -10
}
vrrp_sync_group G {
  group {
    VI_1
    VI_2
  }
  notify_master "/bin/echo master" nobody
  notify /bin/echo
  track_script {
    chk weight 20
  }
  WORDS
}
)";

std::string grouped(const std::string& words, const std::string& member_words) {
  std::string text = kTwoGrouped;
  text.replace(text.find("WORDS"), 5, words);
  return text + instance("VI_1", 1, member_words) + instance("VI_2", 2, "");
}

TEST_CASE("config: a sync group") {
  const Config config = good(grouped("notify_priority_changes on", ""));
  REQUIRE(config.track.groups.size() == 1);
  const SyncGroupConfig& group = config.track.groups[0];
  CHECK(group.members == std::vector<std::string>{"VI_1", "VI_2"});
  REQUIRE(group.uses.size() == 1);
  CHECK(group.uses[0].weight == TrackWeight{20, false});
  REQUIRE(group.notify_master.has_value());
  CHECK(group.notify_master->user == "nobody");
  CHECK(config.vrrp_instances[1].tracking.notify_priority_changes);
}

TEST_CASE("config: a member's weights do not count in a sync group, unless it says so") {
  const std::string member = "track_script {\n chk\n }\n track_interface {\n eth1 weight 5\n }";
  const ParseOutcome outcome = parse_text(grouped("", member));
  REQUIRE(outcome.config.has_value());
  CHECK(report(outcome).find("it is not tracked here") != std::string::npos);
  const auto& uses = outcome.config->vrrp_instances[0].tracking.uses;
  REQUIRE(uses.size() == 1);
  CHECK(uses[0].kind == TrackKind::interface);
  CHECK(uses[0].weight.value == 0);
  const Config allowed = good(grouped("sync_group_tracking_weight", member));
  CHECK(allowed.vrrp_instances[0].tracking.uses.size() == 2);
}

TEST_CASE("config: an owner's weights do not count") {
  const ParseOutcome outcome =
      parse_text("track_file f {\n file /run/f\n}\n" +
                 instance("VI_1", 1, "priority 255\n state MASTER\n track_file {\n f\n }"));
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.config->vrrp_instances[0].tracking.uses[0].weight.value == 0);
}

TEST_CASE("config: a member belongs to one group and must exist") {
  const ParseOutcome outcome = parse_text(
      "vrrp_sync_group A {\n group {\n VI_1 VI_2\n }\n}\nvrrp_sync_group B {\n group {\n "
      "VI_2\n VI_3\n }\n}\n" +
          instance("VI_1", 1, "") + instance("VI_2", 2, ""),
      false);
  REQUIRE(outcome.config.has_value());
  CHECK(report(outcome).find("`VI_2` is in vrrp_sync_group `A` already") != std::string::npos);
  CHECK(report(outcome).find("there is no vrrp_instance `VI_3`") != std::string::npos);
  REQUIRE(outcome.config->track.groups.size() == 1);
}

TEST_CASE("config: FIFOs, hooks and the security of scripts") {
  const Config config = good(R"(
global_defs {
  enable_script_security
  use_symlink_paths
  set_supplementary_groups
  script_user nobody
  notify_fifo /run/all nobody
  notify_fifo_script "/bin/reader x" root
  vrrp_notify_fifo /run/vrrp
  lvs_notify_fifo /run/lvs
  fifo_write_vrrp_states_on_reload
  vrrp_notify_priority_changes on
  startup_script /bin/up root
  startup_script_timeout 3
  shutdown_script /bin/down
  shutdown_script_timeout 4
}
)" + instance("VI_1", 1, "notify_deleted\n notify_master_rx_lower_pri /bin/lower"));
  const ScriptPolicy& policy = config.global.scripts;
  CHECK(policy.security);
  CHECK(policy.symlink_paths);
  CHECK(policy.supplementary_groups);
  CHECK(policy.all_fifo.path == "/run/all");
  CHECK(policy.all_fifo.user == "nobody");
  REQUIRE(policy.all_fifo.script.has_value());
  CHECK(policy.all_fifo.script->argv == std::vector<std::string>{"/bin/reader", "x"});
  CHECK(policy.lvs_fifo.path == "/run/lvs");
  CHECK(policy.fifo_states_on_reload);
  CHECK(policy.startup_timeout == 3s);
  CHECK(policy.shutdown_timeout == 4s);
  const VrrpTracking& tracking = config.vrrp_instances[0].tracking;
  CHECK(tracking.deleted_is_told);
  CHECK_FALSE(tracking.notify_deleted.has_value());
  CHECK(tracking.notify_master_rx_lower_pri.has_value());
  CHECK(tracking.notify_priority_changes);
}

TEST_CASE("config: two FIFOs cannot be one") {
  const ParseOutcome outcome =
      parse_text("global_defs {\n notify_fifo /run/x\n vrrp_notify_fifo /run/x\n}\n" +
                 instance("VI_1", 1, ""));
  CHECK_FALSE(outcome.config.has_value());
}

TEST_CASE("config: what changed about trackers is told") {
  const Config before = good(grouped("", ""));
  Config after = before;
  after.track.scripts[0].interval = 5s;
  after.track.groups.clear();
  CHECK(differences(before, after) ==
        std::vector<std::string>{"~ vrrp_script chk: other words", "- vrrp_sync_group G"});
}

}  // namespace
}  // namespace xlb
