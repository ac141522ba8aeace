// The director while it runs: what each event leads to.
#include <csignal>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/version.h"
#include "director/director.h"

namespace xlb {
namespace {

constexpr auto kSettleLimit = std::chrono::milliseconds(500);  // for neighbours at start
constexpr auto kSettlePoll = std::chrono::milliseconds(10);
constexpr auto kSweepPause = std::chrono::milliseconds(2);  // within a pass: others come first
constexpr auto kSweepInterval = std::chrono::seconds(1);
// While running, what refuses XDP may be somebody's slip of a moment.
constexpr auto kRefusalPatience = std::chrono::seconds(10);
constexpr size_t kMaxHeardDirectors = 64;  // forged adverts fill no table
constexpr auto kDirectorMemory = std::chrono::hours(1);
constexpr auto kApplyRetry = std::chrono::seconds(1);
constexpr auto kApplyPause = std::chrono::milliseconds(20);
constexpr int kHealthShare = 20;  // of the loop's time, a twentieth
constexpr auto kStopPoll = std::chrono::milliseconds(20);
constexpr auto kHandOverMargin = std::chrono::milliseconds(300);
constexpr auto kScriptsLimit = std::chrono::seconds(5);

}  // namespace

Result<void> Director::run() {
  start();
  auto turned = loop_->run();
  if (fatal_) {
    if (dataplane_) (void)dataplane_->release();
    return *fatal_;
  }
  return turned;
}

void Director::start() {
  take_away_leftovers();
  keep_router_interfaces(config_.vrrp_instances);
  const auto timer = [this](void (Director::*handler)()) {
    return loop_->timer(EventLoop::Urgency::normal, [this, handler] { (this->*handler)(); });
  };
  second_timer_ = timer(&Director::second);
  publish_timer_ = timer(&Director::publish_some);
  apply_timer_ = timer(&Director::apply);
  attach_timer_ = timer(&Director::try_attach);
  sweep_timer_ = timer(&Director::sweep);
  stop_timer_ = timer(&Director::finish_stop_when_possible);
  notifications_->start(config_.global, [this] { begin(); });
}

// What the configuration says, once its startup script has ended.
void Director::begin() {
  if (stopping_) return;
  begun_ = true;
  follow_peers();
  services_->configure(config_.virtual_servers, config_.global.lvs_timeouts);
  static_network_->configure(config_.network);
  follow_links();
  groups_->configure(config_.track.groups, instances_);
  delay_routers();
  follow_trackers();
  for (const std::string& line : network_->remove_unclaimed())
    log::notice("removed {}: left by a predecessor that did not stop cleanly", line);
  const TimePoint now = loop_->now();
  attach_deadline_ = now + kSettleLimit;
  attach_timer_.arm(now);
  second_timer_.arm(now);
  if (balancer() != nullptr) sweep_timer_.arm(now + kSweepInterval);
  request_apply();
}

void Director::netlink_readable() {
  const auto processed = netlink_->process();
  if (!processed) log::error("{}", processed.error().text);
}

void Director::netlink_changed() {
  if (!begun_) return;  // begin() looks at everything
  const NetlinkChanges& changes = netlink_->changes();
  const bool reachability = next_hops_->refresh(changes);
  const bool links = changes.links_or_addresses || changes.everything;
  if (links) links_changed();
  if (links || reachability) request_apply();
}

// Routers speak from within other handlers too (EventLoop::serve_urgent): what they cause outside
// themselves waits for a turn of its own.
void Director::master_lost(const std::optional<IpAddress>& last_master) {
  loop_->post([this, last_master] {
    services_->check_all_now();
    // By ARP; a master of IPv6 is known by a link-local address, which no real server has.
    if (last_master && last_master->is_v4()) next_hops_->suspect(*last_master);
  });
}

void Director::heard(const IpAddress& director) {
  const auto known = heard_directors_.find(director);
  if (known != heard_directors_.end()) known->second = loop_->now();
  if (known != heard_directors_.end() && !next_hops_->is_suspect(director)) return;
  loop_->post([this, director] { heard_anew(director); });
}

void Director::heard_anew(const IpAddress& director) {
  next_hops_->alive(director);
  if (netlink_->is_local(director)) return;
  const bool known = heard_directors_.contains(director);
  if (!known && heard_directors_.size() >= kMaxHeardDirectors) return;
  heard_directors_[director] = loop_->now();
  if (known) return;
  next_hops_->want(director);
  request_apply();
}

// A backup never speaks, so silence means little; but a host that was a director once may be a
// client now.
void Director::forget_silent_directors() {
  const TimePoint limit = loop_->now() - kDirectorMemory;
  const auto forgotten =
      std::erase_if(heard_directors_, [&](const auto& item) { return item.second < limit; });
  if (forgotten > 0) request_apply();
}

std::vector<MacAddress> Director::director_macs() const {
  std::vector<MacAddress> result;
  std::set<IpAddress> directors(config_.xlb.peers.begin(), config_.xlb.peers.end());
  for (const auto& [director, last_heard] : heard_directors_)
    directors.insert(director);
  for (const IpAddress& director : directors) {
    if (const auto mac = next_hops_->find(director).last_known_mac) result.push_back(*mac);
  }
  return result;
}

// However many events ask for it, the tables are brought in line once, when they have all been
// served, and no more often than the loop can bear with a thousand real servers.
void Director::request_apply() {
  if (apply_timer_.armed() || ended_) return;
  apply_timer_.arm(std::max(loop_->now(), apply_after_));
}

void Director::apply() {
  apply_after_ = loop_->now() + kApplyPause;
  const std::vector<MacAddress> directors = director_macs();
  const ForwardingTable& desired = services_->judge_all(directors);
  save_health();
  apply_local_delivery();
  if (balancer() != nullptr) {
    const auto done = apply_forwarding(desired);
    const std::string text = done ? std::string() : done.error().text;
    if (!done) {
      if (text != apply_error_) log::error("{}; trying again every second", text);
      apply_timer_.arm(loop_->now() + kApplyRetry);
    }
    apply_error_ = text;
    applied_ = applied_ || done.ok();
  } else {
    applied_ = true;
  }
  request_publish();
}

void Director::nat_applied(const Result<void>& done) {
  const std::string text = done ? std::string() : done.error().text;
  if (!done) {
    if (text != local_delivery_error_) log::error("{}; trying again every second", text);
    apply_timer_.arm(loop_->now() + kApplyRetry);
  }
  local_delivery_error_ = text;
  if (done && nat_->settled()) nat_lost_ = false;
  if (done && fallback_ && nat_->settled()) take_xdp_away();
  if (done && split_ && split_->waiting()) request_apply();
  publish();
}

// Attaching waits for the neighbours, so that a peer director's frames are recognised from the
// first one on.
void Director::try_attach() {
  const bool ready =
      applied_ && nat_->settled() && (next_hops_->settled() || loop_->now() >= attach_deadline_);
  if (!ready) {
    attach_timer_.arm(loop_->now() + kSettlePoll);
    return;
  }
  attach_interfaces();
  if (fatal_) return;
  if (!applied_) {  // the fallback's rules first
    attach_timer_.arm(loop_->now() + kSettlePoll);
    return;
  }
  begin_translation();
  if (!nat_->settled()) {  // nor are those it translates left alone
    attach_timer_.arm(loop_->now() + kSettlePoll);
    return;
  }
  attaching_ = false;
  publish();
  supervision_->ready();
  log::notice("xlbd {} is running", kVersion);
}

void Director::save_health() {
  health_unsaved_ = services_->take_verdicts_changed() || health_unsaved_;
  if (!health_unsaved_ || loop_->now() < health_after_) return;
  const auto begun = std::chrono::steady_clock::now();
  const auto saved = health_->save(services_->verdicts());
  health_unsaved_ = !saved.ok();
  health_after_ = loop_->now() + kHealthShare * (std::chrono::steady_clock::now() - begun);
  if (!saved) log::warning("{}", saved.error().text);
}

void Director::attach_interfaces() {
  if (!dataplane_ || fallback_ || stopping_) return;
  for (Interface& interface : interfaces_) {
    const auto link = netlink_->link(interface.name);
    if (!link) {
      if (interface.index != 0 || interface.reason.empty()) {
        log::warning("interface {} does not exist: nothing is balanced there until it appears",
                     interface.name);
      }
      interface.index = 0;
      interface.mode.clear();
      interface.reason = "interface does not exist";
    } else if (interface.index != link->index) {
      attach(interface, *link);
      if (fallback_) return;
    } else if (const auto identity = identity_of(*link); interface.identity != identity) {
      interface.identity = identity;
      const auto set = dataplane_->set_interface(link->index, identity);
      if (!set) log::error("{}", set.error().text);
    }
  }
  detach_others();
}

// Left by a predecessor with another configuration, or by an interface that is gone.
void Director::detach_others() {
  for (const unsigned index : dataplane_->attached()) {
    const bool wanted = std::any_of(interfaces_.begin(), interfaces_.end(),
                                    [&](const Interface& item) { return item.index == index; });
    if (wanted) continue;
    const auto detached = dataplane_->detach(index);
    if (!detached) log::error("{}", detached.error().text);
  }
}

void Director::attach(Interface& interface, const Link& link) {
  const auto attached =
      dataplane_->attach(link.name, link.index, identity_of(link), config_.xlb.attach_mode);
  if (!attached) {
    const std::string& why = attached.error().text;
    const bool automatic = config_.xlb.attach_mode == AttachMode::automatic;
    if (attaching_) return automatic ? fall_back(why) : give_up(attached.error());
    if (interface.reason != why) interface.refused_since = loop_->now();
    if (automatic && loop_->now() - interface.refused_since >= kRefusalPatience) {
      return fall_back(why);
    }
    if (interface.reason != why) log::error("{}; trying again every half second", why);
    interface.reason = why;
    return;
  }
  interface.index = link.index;
  interface.identity = identity_of(link);
  interface.mode = attached->mode;
  interface.reason = attached->reason;
  if (attached->reason.empty()) {
    log::notice("{}: XDP attached, {} mode", link.name, attached->mode);
  } else {
    log::warning("{}: XDP attached, {} mode: {}", link.name, attached->mode, attached->reason);
  }
}

void Director::give_up(const Error& error) {
  fatal_ = error;
  for (const auto& instance : instances_)
    instance->shutdown();
  loop_->stop();
}

void Director::sweep() {
  const bool whole = balancer() == nullptr || balancer()->sweep_step(loop_->now());
  if (whole && balancer() != nullptr && services_->limits_connections()) {
    services_->take_loads(balancer()->counters());
  }
  sweep_timer_.arm(loop_->now() + (whole ? Duration(kSweepInterval) : Duration(kSweepPause)));
}

void Director::second() {
  second_timer_.arm(loop_->now() + std::chrono::seconds(1));
  status_slot_.beat(loop_->now());
  // Loading and attaching programs takes the kernel tens of milliseconds.
  if (!attaching_ && !std::exchange(measuring_lag_, true)) loop_->restart_lag();
  forget_silent_directors();
  save_health();
  request_publish();
}

void Director::handle_signal(int signal) {
  switch (signal) {
    case SIGUSR1:
      return log_summary();
    case SIGUSR2:
      log::notice("ending for a restart: the kernel goes on forwarding, the next start takes over");
      return loop_->stop();
    case SIGHUP:
      return request_reload(false, [this](const Reload& done) { log_reload(done); });
    default:
      if (ended_) return loop_->stop();
      return stopping_ ? finish_stop() : begin_stop();
  }
}

// Hands over first: farewell adverts go out and the addresses go, but frames that still arrive here
// are balanced until the successor is heard or must have taken over.
void Director::begin_stop() {
  log::notice("stopping");
  supervision_->stopping();
  stopping_ = true;
  tracking_->stop();
  groups_->suspend();
  const TimePoint now = loop_->now();
  stop_deadline_ = now;
  for (const auto& instance : instances_) {
    if (instance->state() == vrrp::State::master) {
      handed_over_.push_back(instance.get());
      // The successor's skew is at most one second (v2), or one interval (v3).
      const Duration skew = instance->config().version == VrrpVersion::v2
                                ? Duration(std::chrono::seconds(1))
                                : Duration(instance->config().advert_interval);
      stop_deadline_ = std::max(stop_deadline_, now + skew + kHandOverMargin);
    }
    instance->shutdown();
  }
  groups_->stop();
  services_->stop();
  scripts_deadline_ = now + kScriptsLimit;
  finish_stop_when_possible();
}

void Director::finish_stop_when_possible() {
  const TimePoint now = loop_->now();
  const bool taken_over =
      std::all_of(handed_over_.begin(), handed_over_.end(),
                  [](const VrrpInstance* instance) { return instance->successor_heard(); });
  const bool scripts_done =
      (scripts_->idle() && notifications_->drained() && mail_->idle()) || now >= scripts_deadline_;
  if ((taken_over || now >= stop_deadline_) && scripts_done) return finish_stop();
  stop_timer_.arm(now + kStopPoll);
}

void Director::finish_stop() {
  // From here on only the shutdown script is waited for: nothing is repaired or applied any more.
  ended_ = true;
  for (EventLoop::Timer* timer :
       {&stop_timer_, &apply_timer_, &attach_timer_, &repair_timer_, &sweep_timer_}) {
    if (timer->armed()) timer->disarm();
  }
  netlink_watch_.reset();
  nft_watch_.reset();
  if (!scripts_->idle()) log::warning("notify scripts are still running; they are left to finish");
  if (dataplane_) {
    const auto released = dataplane_->release();
    if (!released) log::error("{}", released.error().text);
  }
  static_network_->remove_all();
  keep_router_interfaces({});
  const auto finished = nat_->finish();
  if (!finished) log::error("{}", finished.error().text);
  put_forwarding_back();
  if (services_->local_services().empty()) {
    const auto put_back = loopback_->remove();
    if (!put_back) log::error("{}", put_back.error().text);
    log::notice("stopped");
  } else {
    log::notice(
        "stopped; the local delivery of this host's own real servers stays ({}), so that what "
        "other directors send them goes on being served; 'xlbd --purge' removes it",
        config_.xlb.local_delivery == LocalDelivery::nat ? "nftables table ip xlb"
                                                         : "virtual addresses on lo");
  }
  notifications_->end(config_.global, [this] { loop_->stop(); });
}

}  // namespace xlb
