// The virtual servers at work: runs their checks, gathers what is known about their real servers,
// and says what should be forwarded where. Logs each real server's changes of state, once.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/forwarding.h"
#include "core/nat_rules.h"
#include "core/status.h"
#include "core/virtual_server.h"
#include "director/file_checks.h"
#include "director/health_checks.h"
#include "director/next_hops.h"
#include "director/quorum_watch.h"
#include "io/dataplane.h"
#include "io/event_loop.h"
#include "io/health_record.h"
#include "io/probe/probe.h"

namespace xlb {

class Services {
 public:
  // `changed` is called from the loop when judge_all() may say something else. `known` are verdicts
  // of checks that a predecessor left.
  Services(EventLoop& loop, ProbeContext& probes, NextHops& next_hops,
           std::function<void()> changed, QuorumWatch::RunScript run_script, QuorumWatch::Tell tell,
           HealthRecord::Verdicts known);
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  // Takes these virtual servers on from now on. Those that were there keep their state: a check
  // that did not change goes on, one that did starts from the last verdict of its target. New
  // checks begin at once, spread a little.
  void configure(const std::vector<VirtualServerConfig>& virtual_servers,
                 const FlowTimeouts& timeouts);
  void check_all_now();
  // This host's addresses may have changed: ha_suspend goes by them.
  void follow_addresses();
  // Runs what is to be run at a stop; nothing is run or checked afterwards.
  void stop();

  // Judges anew the real servers of every virtual server that something happened to, logs what
  // changed and runs the scripts that go with it. The table stays valid until the next call.
  const ForwardingTable& judge_all(std::span<const MacAddress> directors);
  // Some real server may have a bounded number of connections: then who has how many is to be told
  // now and then.
  [[nodiscard]] bool limits_connections() const { return limits_connections_; }
  void take_loads(const DataplaneCounters& counters);
  // This host's own real servers, whatever their health: being one is not a matter of directing.
  // Not of virtual servers that are translated: what another director sends is addressed to them.
  [[nodiscard]] std::vector<LocalService> local_services() const;
  // From the last judgement.
  [[nodiscard]] HealthRecord::Verdicts verdicts() const;
  // Whether they did since this was asked last.
  [[nodiscard]] bool take_verdicts_changed() { return std::exchange(verdicts_changed_, false); }
  // A listing that is made in parts, between which the loop may turn.
  struct Listing {
    std::vector<Status::VirtualServer> services;
    size_t next = 0;
    uint64_t configuration = 0;
  };
  // Adds about `lines` virtual and real servers; false when they were the last. Begins anew after
  // configure().
  bool list_some(Listing& listing, const DataplaneCounters& counters, size_t lines) const;

 private:
  struct RealServer {
    RealServerConfig config;
    std::unique_ptr<RealServerChecks> checks;
    RealServerFacts facts;
    RealServerVerdict verdict;
    bool judged = false;
  };
  struct VirtualServer {
    VirtualServerConfig config;  // its real servers' configurations are those below
    std::vector<RealServer> real_servers;
    std::unique_ptr<QuorumWatch> quorum;
    uint32_t first_row = 0;  // in the table; the other members' follow
    bool judged = false;     // and nothing has happened since
    bool suspended = false;
  };

  [[nodiscard]] RealServer take_on(const VirtualServerConfig& service,
                                   const RealServerConfig& config, std::vector<RealServer>& before,
                                   TimePoint& start);
  void start_checks(const std::string& service, RealServer& real_server, TimePoint start);
  static void collect(const VirtualServer& service, HealthRecord::Verdicts& verdicts);
  [[nodiscard]] VirtualServer keep(VirtualServer&& service, const VirtualServerConfig& config);
  void make_index();
  void follow_files();
  void file_says(const std::string& path, int64_t number);
  void check_finished(const std::string& service, const Endpoint& endpoint,
                      const CheckConfig& check, const ProbeResult& result,
                      RealServerChecks::News news);
  void find_changed(std::span<const MacAddress> directors);
  [[nodiscard]] bool is_here(const VirtualServerConfig& service) const;
  void judge(VirtualServer& service);
  void look_at(const VirtualServer& service, RealServer& real_server) const;
  [[nodiscard]] Status::VirtualServer describe(const VirtualServer& service, const ServiceKey& key,
                                               const ServiceCounters* counters) const;
  static void judge_one(const VirtualServer& service, RealServer& real_server);
  [[nodiscard]] Status::RealServer describe(const RealServer& real_server,
                                            const RealServerCounters* counters) const;

  EventLoop& loop_;
  ProbeContext& probes_;
  Pacer pacer_;
  FileChecks files_;
  bool verdicts_changed_ = true;
  bool limits_connections_ = false;
  NextHops& next_hops_;
  std::function<void()> changed_;
  QuorumWatch::RunScript run_script_;
  QuorumWatch::Tell tell_;
  HealthRecord::Verdicts known_;  // of targets that are not checked yet
  std::vector<VirtualServer> virtual_servers_;
  uint64_t configuration_ = 0;         // another after each configure()
  std::vector<MacAddress> directors_;  // as judged
  ForwardingTable table_;              // in the order of virtual_servers_ and their members
  std::unordered_map<std::string, uint32_t> positions_;         // by name
  std::unordered_map<IpAddress, std::vector<uint32_t>> users_;  // whose real servers are there
};

}  // namespace xlb
