// The imperative shell: owns every piece of state and the loop, turns events into calls of the pure
// core, and what the core answers into calls of io. The director and what is beside it log; nothing
// below does.
//
// Life: create() checks the configuration and opens everything, changing nothing on the host before
// the configuration is known to be good. run() starts checks and the election at once, attaches the
// data plane when the neighbours are resolved (a peer director must be known before the first
// packet), and returns after SIGTERM's hand-over. However the process ends without that, the kernel
// goes on forwarding.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/config.h"
#include "core/diagnostic.h"
#include "core/forwarding.h"
#include "core/rate_estimator.h"
#include "core/status.h"
#include "director/link_delays.h"
#include "director/mail_alerts.h"
#include "director/next_hops.h"
#include "director/notifications.h"
#include "director/recorded_network.h"
#include "director/router_interfaces.h"
#include "director/services.h"
#include "director/static_network.h"
#include "director/supervision.h"
#include "director/sync_groups.h"
#include "director/unknown_routers.h"
#include "director/vrrp_instance.h"
#include "director/vrrp_tracking.h"
#include "io/address_announce.h"
#include "io/address_record.h"
#include "io/advert_record.h"
#include "io/announce_queue.h"
#include "io/control.h"
#include "io/event_loop.h"
#include "io/health_record.h"
#include "io/loopback_delivery.h"
#include "io/nat_dataplane.h"
#include "io/nat_worker.h"
#include "io/netlink.h"
#include "io/network_record.h"
#include "io/nft_monitor.h"
#include "io/probe/probe.h"
#include "io/run_directory.h"
#include "io/script.h"
#include "io/split_dataplane.h"
#include "io/status_server.h"
#include "io/sysctl.h"
#include "io/worker.h"
#include "io/xdp_dataplane.h"

namespace xlb {

struct DirectorOptions {
  std::string config_file;
  std::string config_id;  // of `@id` lines; empty: the host's name
  std::string run_directory;
  std::optional<std::string> status_listen;  // "ADDR:PORT" or "none"; absent: as configured
};

// A status that is made in parts.
struct Publishing {
  DataplaneCounters counters;
  Services::Listing listing;
  Duration cost{};
  bool again = false;  // something happened meanwhile
  bool asked = false;  // somebody asked meanwhile
};

class Director {
 public:
  static Result<std::unique_ptr<Director>> create(const DirectorOptions& options);
  ~Director();
  Director(const Director&) = delete;
  Director& operator=(const Director&) = delete;

  // Until SIGTERM or SIGINT, or an error that makes going on pointless.
  Result<void> run();

  // Removes what a stopped or crashed daemon left behind: XDP links, pins, virtual addresses, the
  // nftables table. An error if a daemon is running on the directory.
  static Result<void> purge(const std::string& run_directory);

 private:
  struct Interface {
    std::string name;
    unsigned index = 0;  // 0: not attached
    InterfaceIdentity identity;
    std::string mode;
    std::string reason;
    TimePoint refused_since{};  // when `reason` was first heard, while running
  };

  // Part of the balancing that is not in place.
  struct Outage {
    std::string reason;
    TimePoint since{};
    bool counts = false;  // it has lasted

    // Whether it begins or ceases to count, or for another reason.
    bool follow(const std::string& trouble, TimePoint now);
  };

  explicit Director(Config config) : config_(std::move(config)) {}

  // director.cpp: opening and wiring
  Result<void> open(const DirectorOptions& options);
  Result<void> open_kernel();
  Result<void> open_dataplane();
  Result<void> open_servers(const DirectorOptions& options);
  [[nodiscard]] std::unique_ptr<VrrpInstance> make_instance(const VrrpInstanceConfig& config);
  static SysctlRecord interface_settings(const RunDirectory& directory);

  // director_network.cpp: what the virtual routers have on this host
  void take_away_leftovers();
  void keep_router_interfaces(const std::vector<VrrpInstanceConfig>& routers);
  void role_changed();
  void follow_links();
  void links_changed();
  [[nodiscard]] InterfaceIdentity identity_of(const Link& link) const;
  [[nodiscard]] std::vector<ClosedAddress> closed_addresses() const;

  // director_run.cpp: what happens while running
  void start();
  void begin();
  void netlink_readable();
  void netlink_changed();
  void master_lost(const std::optional<IpAddress>& last_master);
  void heard(const IpAddress& director);
  void heard_anew(const IpAddress& director);
  void forget_silent_directors();
  void request_apply();
  void apply();
  void save_health();
  void apply_local_delivery();
  void nat_applied(const Result<void>& done);
  [[nodiscard]] std::vector<MacAddress> director_macs() const;
  void attach_interfaces();
  void attach(Interface& interface, const Link& link);
  void detach_others();
  void try_attach();
  void sweep();
  void second();
  void handle_signal(int signal);
  void begin_stop();
  void finish_stop_when_possible();
  void finish_stop();
  void give_up(const Error& error);

  // director_reload.cpp: another configuration while running
  struct Reload {
    bool refused = false;
    std::vector<Diagnostic> problems;         // of the file
    std::vector<std::string> changes;         // core/config_diff.h's lines
    std::vector<std::string> deferred;        // what only the next start changes
    std::string error;                        // why it is refused, when not for the file's errors
    std::shared_ptr<const std::string> text;  // of config, for `xlbctl config show`
    std::optional<Config> config;             // to be taken over
  };
  using ReloadDone = std::function<void(const Reload&)>;
  struct ReloadRequest {
    bool dry_run = false;
    ReloadDone done;
  };
  void request_reload(bool dry_run, ReloadDone done);
  void begin_reload();
  void finish_reload(Reload& reload, const ReloadRequest& request);
  Result<void> take_over(Config config);
  void take_over_routers();
  void take_over_interfaces();
  void follow_peers();
  void log_reload(const Reload& reload);

  // director_tracking.cpp: what virtual routers follow besides the election
  Result<void> open_tracking();
  void follow_trackers();
  void tracking_changed();
  void start_when_known(VrrpInstance& instance);
  void delay_routers();
  [[nodiscard]] std::string why_not_started(const VrrpInstance& instance) const;
  void tell_states();

  // director_repair.cpp: what somebody else undid is done again
  Result<void> open_repairs();
  void nft_readable();
  void repair();
  void inspect_links();
  void attach_again();
  void repair_dataplane();
  [[nodiscard]] std::vector<std::string> client_facing_interfaces() const;

  // director_outage.cpp: virtual routers whose virtual servers nobody balances
  [[nodiscard]] std::string xdp_trouble() const;
  void watch_balancing();
  [[nodiscard]] std::string outage_of(const VrrpInstanceConfig& router) const;

  // director_fallback.cpp: the nat table instead of XDP
  [[nodiscard]] Dataplane* balancer() const;
  void fall_back(const std::string& reason);

  // director_translation.cpp: the nat table, beside XDP or instead of it
  Result<void> apply_forwarding(const ForwardingTable& desired);
  [[nodiscard]] bool translates(const ForwardingTable& desired) const;
  [[nodiscard]] bool routes_ipv6() const;
  void begin_translation();
  void repair_forwarding();
  void describe_translation(Status& status) const;
  void say_limits(std::vector<std::string> limits);
  void take_xdp_away();
  static SysctlRecord forwarding_record(const RunDirectory& directory);
  static Result<void> restore_forwarding(const RunDirectory& directory);
  void put_forwarding_back();
  void describe_fallback(Status& status) const;

  // director_status.cpp: what users see
  [[nodiscard]] Status build_status();
  [[nodiscard]] DataplaneCounters read_counters();
  [[nodiscard]] Status complete_status(const DataplaneCounters& counters,
                                       Services::Listing&& listing);
  void publish();
  void publish_some();
  void show(Status&& status);
  void request_publish();
  void answer_status_request();
  void log_summary();
  std::unique_ptr<ControlReply> answer(const ControlRequest& request);
  std::unique_ptr<ControlReply> status_reply();
  [[nodiscard]] std::unique_ptr<ControlReply> config_reply() const;
  std::unique_ptr<ControlReply> reload_reply(const ControlRequest& request);
  template <typename Item>
  using Visit = uint64_t (Dataplane::*)(uint64_t, size_t, TimePoint,
                                        const std::function<void(const Item&)>&);
  template <typename Item>
  std::unique_ptr<ControlReply> listing_reply(Visit<Item> visit);

  std::string config_file_;
  std::string config_id_;
  std::string net_namespace_;
  std::shared_ptr<const std::string> config_text_;          // of config_, for `xlbctl config show`
  std::optional<std::optional<Endpoint>> listen_override_;  // --status-listen
  std::deque<ReloadRequest> reloads_;  // the first is under way: config_ must not change meanwhile
  Config config_;
  std::vector<std::string> warnings_;
  std::optional<RunDirectory> run_directory_;
  std::optional<AddressRecord> addresses_;
  std::unique_ptr<AdvertRecord> adverts_;
  std::optional<HealthRecord> health_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Supervision> supervision_;
  std::unique_ptr<Netlink> netlink_;
  EventLoop::Watch netlink_watch_;
  std::optional<Announcer> announcer_;
  std::unique_ptr<AnnounceQueue> announcements_;
  std::optional<NetworkRecord> network_record_;
  std::unique_ptr<RecordedNetwork> network_;
  std::unique_ptr<StaticNetwork> static_network_;
  std::unique_ptr<RouterInterfaces> router_interfaces_;
  std::unique_ptr<LinkDelays> link_delays_;
  std::unique_ptr<UnknownRouters> unknown_routers_;
  std::unique_ptr<ScriptRunner> scripts_;
  std::unique_ptr<ProbeContext> probes_;
  std::unique_ptr<XdpDataplane> dataplane_;  // absent without virtual servers, or in fallback
  std::unique_ptr<NatWorker> nat_;
  std::unique_ptr<NatDataplane> fallback_;  // balances instead of XDP
  std::unique_ptr<SplitDataplane> split_;   // of dataplane_ and nat_; absent in fallback
  std::string fallback_reason_;
  std::vector<std::string> translation_limits_;  // what nat_ does otherwise than configured
  bool translating_ = false;                     // this host routes for it
  bool routed_ipv6_ = false;                     // when it was last applied
  bool xdp_taken_away_ = false;                  // in fallback
  bool nat_lost_ = false;                        // what the nat table balanced is not in it
  Outage xdp_outage_;
  Outage nat_outage_;
  std::optional<LoopbackDelivery> loopback_;
  std::optional<NftMonitor> nft_monitor_;
  EventLoop::Watch nft_watch_;
  std::unique_ptr<NextHops> next_hops_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Notifications> notifications_;
  std::unique_ptr<MailAlerts> mail_;
  std::unique_ptr<VrrpTrackers> tracking_;
  std::unique_ptr<SyncGroups> groups_;
  std::vector<std::unique_ptr<VrrpInstance>> instances_;
  std::map<IpAddress, TimePoint> heard_directors_;  // senders of valid adverts, last heard when
  std::vector<Interface> interfaces_;
  RateEstimator rates_;
  StatusSlot status_slot_;
  std::unique_ptr<StatusServer> status_server_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<Worker> worker_;  // ends before those it tells

  EventLoop::Timer second_timer_;
  EventLoop::Timer publish_timer_;
  std::optional<Publishing> publishing_;
  TimePoint published_{};
  Duration publish_cost_{};  // what the last took
  EventLoop::Timer sweep_timer_;
  EventLoop::Timer routers_timer_;
  TimePoint routers_begin_{};  // none before, but who goes on as master
  EventLoop::Timer apply_timer_;
  TimePoint apply_after_{};
  EventLoop::Timer attach_timer_;
  EventLoop::Timer stop_timer_;
  EventLoop::Timer repair_timer_;
  bool measuring_lag_ = false;  // not of the start
  bool inspecting_ = false;     // the worker looks at the XDP links
  TimePoint attach_deadline_{};
  bool attaching_ = true;  // until the neighbours are settled
  bool applied_ = false;
  bool health_unsaved_ = false;
  TimePoint health_after_{};  // with ten thousand checks a saving takes milliseconds
  std::string apply_error_;
  std::string local_delivery_error_;
  std::string loopback_error_;
  std::string pins_error_;
  bool begun_ = false;  // the startup script is done
  bool stopping_ = false;
  bool ended_ = false;                            // only the shutdown script is waited for
  std::vector<const VrrpInstance*> handed_over_;  // were master when stopping began
  TimePoint stop_deadline_{};
  TimePoint scripts_deadline_{};
  std::optional<Error> fatal_;
};

}  // namespace xlb
