#include "core/vrrp.h"

#include <algorithm>

namespace xlb::vrrp {
namespace {

// An interval learned from the wire is believed up to this multiple of our own: one forged
// advertisement must not silence the election for minutes (v3 can say 40.95 s).
constexpr int kMaxIntervalFactor = 4;
constexpr int kPriorityRange = 256;
constexpr std::chrono::seconds kFarewellDoubt{10};

}  // namespace

std::string_view name_of(State state) {
  switch (state) {
    case State::init:
      return "INIT";
    case State::backup:
      return "BACKUP";
    case State::master:
      return "MASTER";
    case State::fault:
      return "FAULT";
  }
  return "";
}

Settings settings_of(const VrrpInstanceConfig& config) {
  Settings settings;
  settings.version = config.version;
  settings.priority = config.priority;
  settings.preempt = config.preempt || config.initial_state == VrrpInitialState::master ||
                     config.priority == kPriorityOwner;
  settings.advert_interval = config.advert_interval;
  settings.garp_delay = Duration::zero();  // the second block is director/vrrp_addresses.h's
  const VrrpProtocol& protocol = config.protocol;
  settings.preempt_delay = protocol.preempt_delay;
  settings.down_timer_adverts = protocol.down_timer_adverts;
  settings.answer_lower_priority = protocol.answer_lower_priority;
  settings.advertise_before_yielding = protocol.advertise_before_yielding;
  settings.owner_ignores_adverts = protocol.owner_ignores_adverts;
  return settings;
}

VirtualRouter::VirtualRouter(Settings settings)
    : settings_(settings), interval_(settings.advert_interval) {}

Actions VirtualRouter::handle(const Event& event, TimePoint now) {
  Actions actions;
  if (overtaken(now)) {
    leave_for(State::backup, actions, silent(now));
    listen_again(now);
  }
  std::visit([&](const auto& concrete) { on(concrete, now, actions); }, event);
  return actions;
}

std::optional<TimePoint> VirtualRouter::deadline() const {
  switch (state_) {
    case State::backup:
      return down_due_;
    case State::master:
      return announce_due_ ? std::min(advert_due_, *announce_due_) : advert_due_;
    case State::init:
    case State::fault:
      break;
  }
  return std::nullopt;
}

Duration VirtualRouter::skew_time() const {
  return skew_of(settings_.priority);
}

Duration VirtualRouter::master_down_interval() const {
  return settings_.down_timer_adverts * interval_ + skew_time();
}

void VirtualRouter::on(const InterfaceUp& event, TimePoint now, Actions& actions) {
  primary_address_ = event.primary_address;
  if (state_ == State::backup || state_ == State::master) return;
  if (settings_.priority == kPriorityOwner) {
    claim(now, actions);
  } else {
    become_backup(now, actions);
  }
}

void VirtualRouter::on(const InterfaceDown& event, TimePoint, Actions& actions) {
  if (state_ == State::fault) return;
  if (state_ == State::master && event.can_send) {
    actions.emplace_back(SendAdvertisement{kPriorityStop});
  }
  leave_for(State::fault, actions);
}

void VirtualRouter::on(const AdvertisementReceived& event, TimePoint now, Actions& actions) {
  if (event.source == primary_address_) return;  // reflected: answering it would loop
  if (settings_.priority == kPriorityOwner && settings_.owner_ignores_adverts) return;
  if (doubts(event, now)) return;
  if (state_ == State::backup) hear_as_backup(event, now);
  if (state_ == State::master) hear_as_master(event, now, actions);
}

// A master that speaks on after its farewell did not say it.
bool VirtualRouter::doubts(const AdvertisementReceived& advertisement, TimePoint now) {
  const bool same = farewell_by_ == advertisement.source;
  if (advertisement.priority != kPriorityStop) {
    if (same && now - farewell_at_ <= 2 * interval_) {
      farewells_doubted_until_ = now + kFarewellDoubt;
    }
    return false;
  }
  if (same && now < farewells_doubted_until_) return true;
  farewell_by_ = advertisement.source;
  farewell_at_ = now;
  return false;
}

void VirtualRouter::on(const TimerExpired&, TimePoint now, Actions& actions) {
  if (state_ == State::backup && now >= down_due_) {
    down_timer_expired(now, actions);
  } else if (state_ == State::master) {
    master_timers_expired(now, actions);
  }
}

void VirtualRouter::on(const Shutdown&, TimePoint, Actions& actions) {
  if (state_ == State::init) return;
  if (state_ == State::master) actions.emplace_back(SendAdvertisement{kPriorityStop});
  leave_for(State::init, actions);
}

void VirtualRouter::on(const ResumeMaster& event, TimePoint now, Actions& actions) {
  if (state_ != State::init) return;
  primary_address_ = event.primary_address;
  become_master(now, actions);
}

void VirtualRouter::on(const TakeOver&, TimePoint now, Actions& actions) {
  if (state_ == State::backup) become_master(now, actions);
}

void VirtualRouter::on(const StandDown&, TimePoint now, Actions& actions) {
  if (state_ == State::master) become_backup(now, actions);
}

Actions VirtualRouter::reconfigure(const Settings& settings, TimePoint now) {
  const bool same_interval = settings.advert_interval == settings_.advert_interval;
  settings_ = settings;
  Actions actions;
  if (state_ == State::master) {
    interval_ = settings_.advert_interval;
    advertise(now, actions);
  } else if (state_ == State::backup && settings_.priority == kPriorityOwner) {
    claim(now, actions);
  } else if (state_ == State::backup) {
    const bool learned = settings_.version == VrrpVersion::v3 && master_.has_value();
    if (!same_interval && !learned) interval_ = settings_.advert_interval;
    const TimePoint heard = master_ ? master_heard_at_ : now;
    if (!farewell_) down_due_ = std::max(heard + master_down_interval(), now);
  }
  return actions;
}

void VirtualRouter::hear_as_backup(const AdvertisementReceived& advertisement, TimePoint now) {
  if (advertisement.priority == kPriorityStop) {
    farewell_ = true;
    master_.reset();
    master_outranked_ = false;
    down_due_ = now + skew_time();
    return;
  }
  if (!preempts(advertisement.priority, now)) {
    follow(advertisement, now);
    return;
  }
  // The timer runs on. Somebody else's lower advertisement does not tell that our master lives.
  if (!master_ || *master_ == advertisement.source) {
    master_ = advertisement.source;
    master_heard_at_ = now;
    master_outranked_ = true;
    farewell_ = false;
  }
}

void VirtualRouter::hear_as_master(const AdvertisementReceived& advertisement, TimePoint now,
                                   Actions& actions) {
  const uint8_t theirs = advertisement.priority;
  const bool loses = theirs > settings_.priority ||
                     (theirs == settings_.priority && advertisement.source > primary_address_);
  if (loses) {
    if (settings_.advertise_before_yielding) {
      actions.emplace_back(SendAdvertisement{settings_.priority});
    }
    leave_for(State::backup, actions);
    follow(advertisement, now);
    return;
  }
  if (theirs == kPriorityStop || settings_.answer_lower_priority) advertise(now, actions);
  if (theirs == kPriorityStop) return;
  // The other one announced the addresses as its own: correct the neighbours, though not oftener
  // than once an interval, or a flood of adverts would be answered with a greater one.
  if (now - announced_at_ >= settings_.advert_interval) announce(now, actions);
  actions.emplace_back(LowerPriorityHeard{advertisement.source, theirs});
}

// Accepts the sender as master.
void VirtualRouter::follow(const AdvertisementReceived& advertisement, TimePoint now) {
  if (settings_.version == VrrpVersion::v3) interval_ = adoptable(advertisement.interval);
  master_ = advertisement.source;
  master_heard_at_ = now;
  master_outranked_ = false;
  farewell_ = false;
  listened_again_ = false;
  wants_master_ = false;
  down_due_ = now + master_down_interval();
}

void VirtualRouter::down_timer_expired(TimePoint now, Actions& actions) {
  // Served this late, the process was stopped and cannot tell silence from deafness.
  if (!listened_again_ && now - down_due_ > interval_) {
    listen_again(now);
    return;
  }
  const bool preempting = master_outranked_ && now - master_heard_at_ <= 2 * interval_;
  const bool lost = !farewell_ && !preempting;
  const std::optional<IpAddress> last_master = master_;
  const bool new_claim = !wants_master_;
  claim(now, actions);
  if (lost && new_claim) actions.emplace_back(MasterLost{last_master});
}

// Long enough for a living master to speak once, or for what it said to be read from the socket.
void VirtualRouter::listen_again(TimePoint now) {
  listened_again_ = true;
  down_due_ = now + interval_ + skew_time();
}

void VirtualRouter::master_timers_expired(TimePoint now, Actions& actions) {
  if (now >= advert_due_) {
    const TimePoint on_schedule = advert_due_ + settings_.advert_interval;
    advertise(now, actions);
    if (on_schedule > now) advert_due_ = on_schedule;  // lateness does not add up
  }
  if (announce_due_ && now >= *announce_due_) {
    announce(now, actions);
    announce_due_.reset();
  }
}

// The addresses are ours to take, if the sync group agrees.
void VirtualRouter::claim(TimePoint now, Actions& actions) {
  if (!settings_.grouped) return become_master(now, actions);
  if (state_ != State::backup) become_backup(now, actions);
  wants_master_ = true;
  down_due_ = now + master_down_interval();
  actions.emplace_back(WantsMaster{});
}

void VirtualRouter::become_backup(TimePoint now, Actions& actions) {
  leave_for(State::backup, actions);
  down_due_ = now + master_down_interval();
}

void VirtualRouter::become_master(TimePoint now, Actions& actions) {
  const State from = state_;
  state_ = State::master;
  interval_ = settings_.advert_interval;
  master_.reset();
  wants_master_ = false;
  preempt_from_.reset();
  advertise(now, actions);
  actions.emplace_back(AddAddresses{});
  announce(now, actions);
  actions.emplace_back(StateChanged{from, State::master});
}

// To any state but MASTER, with everything learned forgotten.
void VirtualRouter::leave_for(State next, Actions& actions, Duration silent) {
  const State from = state_;
  if (from == State::master) actions.emplace_back(RemoveAddresses{});
  actions.emplace_back(StateChanged{from, next, silent});
  state_ = next;
  interval_ = settings_.advert_interval;
  master_.reset();
  master_outranked_ = false;
  farewell_ = false;
  listened_again_ = false;
  wants_master_ = false;
  preempt_from_.reset();
  announce_due_.reset();
}

void VirtualRouter::advertise(TimePoint now, Actions& actions) {
  actions.emplace_back(SendAdvertisement{settings_.priority});
  advert_due_ = now + settings_.advert_interval;
}

void VirtualRouter::announce(TimePoint now, Actions& actions) {
  actions.emplace_back(AnnounceAddresses{});
  announced_at_ = now;
  if (settings_.garp_delay > Duration::zero()) announce_due_ = now + settings_.garp_delay;
}

// Begins preempt_delay with the first advertisement that could be preempted, and forgets it when a
// master speaks that cannot.
bool VirtualRouter::preempts(uint8_t priority, TimePoint now) {
  if (!settings_.preempt || priority >= settings_.priority) {
    preempt_from_.reset();
    return false;
  }
  if (settings_.preempt_delay > Duration::zero() && !preempt_from_) {
    preempt_from_ = now + settings_.preempt_delay;
  }
  return !preempt_from_ || now >= *preempt_from_;
}

std::optional<IpAddress> VirtualRouter::living_master(TimePoint now) const {
  if (!master_ || now - master_heard_at_ > settings_.down_timer_adverts * interval_) {
    return std::nullopt;
  }
  return master_;
}

// A master silent for longer than any backup waits has been replaced, and must listen before it
// claims the addresses again: it may be of lower rank, or its successor not to be preempted.
bool VirtualRouter::overtaken(TimePoint now) const {
  if (state_ != State::master) return false;
  return silent(now) > settings_.down_timer_adverts * interval_ + skew_of(0);
}

// As master: since its last advertisement.
Duration VirtualRouter::silent(TimePoint now) const {
  return now - (advert_due_ - settings_.advert_interval);
}

// v2 counts in seconds whatever the interval (RFC 3768 6.1), v3 in intervals (RFC 9568 6.1).
Duration VirtualRouter::skew_of(uint8_t priority) const {
  const Duration unit =
      settings_.version == VrrpVersion::v2 ? Duration(std::chrono::seconds(1)) : interval_;
  return (kPriorityRange - priority) * unit / kPriorityRange;
}

Duration VirtualRouter::adoptable(Duration interval) const {
  if (interval <= Duration::zero()) return settings_.advert_interval;
  return std::min(interval, kMaxIntervalFactor * settings_.advert_interval);
}

}  // namespace xlb::vrrp
