#include "director/vrrp_instance.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/log.h"

namespace xlb {
VrrpInstance::VrrpInstance(const VrrpSurroundings& surroundings, const VrrpInstanceConfig& config)
    : around_(surroundings),
      config_(config),
      router_(vrrp::settings_of(config)),
      addresses_(around_, config_),
      channel_(around_, config_,
               [this](const vrrp::Received& advertisement) { hear(advertisement); }),
      timer_(surroundings.loop.timer(EventLoop::Urgency::urgent, [this] { timer_expired(); })),
      since_(std::chrono::system_clock::now()) {}

bool VrrpInstance::may_resume() const {
  const auto spoke = around_.adverts.last(config_.name);
  // A backup of the highest priority waits three intervals and next to no skew.
  if (!spoke || around_.loop.now() - *spoke >= 3 * Duration(config_.advert_interval)) return false;
  return addresses_.in_place();
}

std::set<AddressRecord::Entry> VrrpInstance::address_entries() const {
  return addresses_.entries();
}

void VrrpInstance::start() {
  started_ = true;
  if (may_resume() && tracking_fault_.empty() && group_fault_.empty()) {
    const auto found = channel_.find_footing(addresses_);
    if (found && channel_.stand_on(*found)) {
      log::notice(
          "{}: goes on as MASTER: its last advertisement is younger than any backup's "
          "patience",
          config_.name);
      return feed(vrrp::ResumeMaster{found->address});
    }
  }
  if (config_.priority != vrrp::kPriorityOwner) addresses_.remove();
  refresh();
}

void VrrpInstance::refresh() {
  if (stopped_) return;
  footing_fault_ = take_footing();
  if (footing_fault_.empty()) repair_addresses();
  settle();
}

// Empty, or why the interface cannot send.
std::string VrrpInstance::take_footing() {
  const auto prepared = around_.interfaces.prepare(config_);
  if (!prepared) return prepared.error().text;
  const auto found = channel_.find_footing(addresses_);
  if (!found) return found.error().text;
  const std::optional<VrrpFooting> before = channel_.footing();
  const auto standing = channel_.stand_on(*found);
  if (!standing) return standing.error().text;
  const bool changed = !before || before->address != found->address;
  if (before && before->index == found->index && before->mac != found->mac) announce_new_mac();
  const bool running =
      router_.state() == vrrp::State::backup || router_.state() == vrrp::State::master;
  if (changed && running) feed(vrrp::InterfaceUp{found->address});
  return "";
}

void VrrpInstance::repair_addresses() {
  if (!stopped_) addresses_.repair(router_.state());
}

// Neighbours go on sending to the old address until they are told.
void VrrpInstance::announce_new_mac() {
  const VrrpFooting& footing = *channel_.footing();
  log::notice("{}: {} has a new MAC address, {}", config_.name, config_.interface, footing.mac);
  if (const auto link = around_.netlink.link(footing.index)) {
    addresses_.announce_own(*link, footing.address);
  }
  if (router_.state() == vrrp::State::master) addresses_.announce_again();
}

// To FAULT or out of it, as the reasons are.
void VrrpInstance::settle() {
  if (!started_ || stopped_) return;
  const vrrp::State state = router_.state();
  const auto& reason = !footing_fault_.empty()    ? footing_fault_
                       : !tracking_fault_.empty() ? tracking_fault_
                                                  : group_fault_;
  const bool news = reason != fault_reason_;
  fault_reason_ = reason;
  if (!reason.empty() && (state != vrrp::State::fault || news)) {
    feed(vrrp::InterfaceDown{.can_send = footing_fault_.empty()});
  } else if (reason.empty() && (state == vrrp::State::fault || state == vrrp::State::init)) {
    feed(vrrp::InterfaceUp{channel_.footing()->address});
  }
  if (!footing_fault_.empty()) channel_.close();
}

vrrp::Settings VrrpInstance::settings() const {
  vrrp::Settings result = vrrp::settings_of(config_);
  result.priority = effective_priority();
  result.grouped = group_.has_value();
  return result;
}

uint8_t VrrpInstance::effective_priority() const {
  if (config_.priority == vrrp::kPriorityOwner) return vrrp::kPriorityOwner;
  return static_cast<uint8_t>(std::clamp(config_.priority + priority_change_, 1, 254));
}

bool VrrpInstance::cannot_be_master() const {
  return !footing_fault_.empty() || !tracking_fault_.empty();
}

Duration VrrpInstance::patience() const {
  const int adverts = config_.protocol.down_timer_adverts;
  return (router_.master_down_interval() - router_.skew_time()) / adverts * (adverts - 1);
}

void VrrpInstance::set_tracking(uint8_t effective_priority, std::string fault_reason) {
  const uint8_t before = this->effective_priority();
  priority_change_ = effective_priority - config_.priority;
  tracking_fault_ = std::move(fault_reason);
  if (!tracking_fault_.empty()) settle();  // a farewell is said with no other priority before it
  if (this->effective_priority() != before) {
    log::notice("{}: priority {} -> {}", config_.name, before, this->effective_priority());
    carry_out_all(router_.reconfigure(settings(), around_.loop.now()));
    notify_priority();
    around_.state_changed();
  }
  settle();
}

void VrrpInstance::set_group(std::optional<VrrpGroupHooks> hooks) {
  group_ = std::move(hooks);
  if (!group_) group_fault_.clear();
  carry_out_all(router_.reconfigure(settings(), around_.loop.now()));
  settle();
}

void VrrpInstance::take_over() {
  feed(vrrp::TakeOver{});
}

void VrrpInstance::stand_down() {
  feed(vrrp::StandDown{});
}

void VrrpInstance::set_group_fault(std::string reason) {
  group_fault_ = std::move(reason);
  settle();
}

void VrrpInstance::shutdown(Ending ending) {
  ending_ = ending;
  stopped_ = true;
  feed(vrrp::Shutdown{});
}

void VrrpInstance::give_up_addresses(const VrrpInstanceConfig& config) {
  if (router_.state() == vrrp::State::master) addresses_.give_up(config);
}

void VrrpInstance::reconfigure(const VrrpInstanceConfig& config) {
  const std::set<AddressRecord::Entry> before = address_entries();
  config_ = config;
  channel_.configure();
  if (started_) footing_fault_ = take_footing();  // it may speak from elsewhere now
  if (router_.state() == vrrp::State::master) addresses_.bring_in_line(before);
  carry_out_all(router_.reconfigure(settings(), around_.loop.now()));
  settle();
}

void VrrpInstance::feed(const vrrp::Event& event) {
  carry_out_all(router_.handle(event, around_.loop.now()));
}

void VrrpInstance::carry_out_all(const vrrp::Actions& actions) {
  for (const vrrp::Action& action : actions)
    carry_out(action);
  rearm();
}

void VrrpInstance::rearm() {
  if (const auto deadline = router_.deadline()) {
    timer_.arm(*deadline);
  } else {
    timer_.disarm();
  }
}

void VrrpInstance::carry_out(const vrrp::Action& action) {
  std::visit(
      [this](const auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, vrrp::SendAdvertisement>) {
          send(what.priority);
        } else if constexpr (std::is_same_v<What, vrrp::AddAddresses>) {
          addresses_.add();
        } else if constexpr (std::is_same_v<What, vrrp::RemoveAddresses>) {
          addresses_.remove();
        } else if constexpr (std::is_same_v<What, vrrp::AnnounceAddresses>) {
          addresses_.announce();
        } else if constexpr (std::is_same_v<What, vrrp::StateChanged>) {
          transition(what);
        } else if constexpr (std::is_same_v<What, vrrp::MasterLost>) {
          around_.master_lost(what.last_master);
        } else if constexpr (std::is_same_v<What, vrrp::WantsMaster>) {
          if (group_) group_->wants_master();
        } else {
          static_assert(std::is_same_v<What, vrrp::LowerPriorityHeard>);
          notify_lower_priority();
        }
      },
      action);
}

void VrrpInstance::timer_expired() {
  const auto deadline = router_.deadline();
  const Duration half = Duration(config_.advert_interval) / 2;
  if (deadline && router_.state() == vrrp::State::master && around_.loop.now() - *deadline > half) {
    ++adverts_late_;
  }
  feed(vrrp::TimerExpired{});
}

void VrrpInstance::hear(const vrrp::Received& advertisement) {
  const TimePoint now = around_.loop.now();
  ++adverts_received_;
  if (stopped_ && advertisement.priority != vrrp::kPriorityStop) successor_heard_ = true;
  const vrrp::Listener listener{config_.version,
                                router_.state() == vrrp::State::master,
                                effective_priority(),
                                config_.advert_interval,
                                router_.adoptable(advertisement.interval),
                                router_.living_master(now)};
  channel_.raise(vrrp::alarms_about(advertisement, listener), advertisement);
  around_.heard(advertisement.source);
  feed(vrrp::AdvertisementReceived{advertisement.source, advertisement.priority,
                                   advertisement.interval});
}

void VrrpInstance::send(uint8_t priority) {
  if (priority != vrrp::kPriorityStop) addresses_.speak();
  if (channel_.send(priority) && priority != vrrp::kPriorityStop) {
    around_.adverts.stamp(config_.name, around_.loop.now());
  }
}

void VrrpInstance::transition(const vrrp::StateChanged& change) {
  const auto [from, to, silent] = change;
  since_ = std::chrono::system_clock::now();
  if (from != vrrp::State::init) ++transitions_;
  if (from == vrrp::State::master) around_.adverts.clear(config_.name);
  std::string why = to == vrrp::State::fault ? ": " + fault_reason_ : "";
  if (silent > Duration()) {
    why = fmt::format(": the process stood still for {:.1f} s, and a backup waits no longer",
                      std::chrono::duration<double>(silent).count());
  }
  log::notice("{}: {} -> {}{}", config_.name, vrrp::name_of(from),
              to == vrrp::State::init ? "STOP" : vrrp::name_of(to), why);
  notify(to);
  around_.state_changed();
  if (group_) group_->changed(from, to);
}

}  // namespace xlb
