#include "director/vrrp_instance.h"

#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/log.h"
#include "director/notify_script.h"

namespace xlb {
namespace {

constexpr auto kRefusalLogInterval = std::chrono::seconds(10);

}  // namespace

VrrpInstance::VrrpInstance(const VrrpSurroundings& surroundings, const VrrpInstanceConfig& config)
    : around_(surroundings),
      config_(config),
      router_(vrrp::settings_of(config)),
      expected_(vrrp::expectation_of(config, IpAddress())),
      timer_(surroundings.loop.timer(EventLoop::Urgency::urgent,
                                     [this] { feed(vrrp::TimerExpired{}); })),
      since_(std::chrono::system_clock::now()) {}

bool VrrpInstance::may_resume() const {
  const auto spoke = around_.adverts.last(config_.name);
  // A backup of the highest priority waits three intervals and next to no skew.
  if (!spoke || around_.loop.now() - *spoke >= 3 * Duration(config_.advert_interval)) return false;
  const auto& present = around_.netlink.addresses();
  const auto in_place = [&](const VirtualAddress& vip) {
    const auto link = around_.netlink.link(device_of(vip));
    return link && std::any_of(present.begin(), present.end(), [&](const InterfaceAddress& own) {
             return own.interface_index == link->index && own.address == vip.address;
           });
  };
  return std::all_of(config_.virtual_addresses.begin(), config_.virtual_addresses.end(), in_place);
}

std::set<AddressRecord::Entry> VrrpInstance::address_entries() const {
  std::set<AddressRecord::Entry> result;
  for (const VirtualAddress& vip : config_.virtual_addresses)
    result.insert({device_of(vip), vip.address});
  return result;
}

void VrrpInstance::start() {
  if (may_resume()) {
    const auto found = find_footing();
    if (found && open_socket(found->index)) {
      footing_ = *found;
      expected_.own_address = footing_->address;
      log::notice(
          "{}: goes on as MASTER: its last advertisement is younger than any backup's "
          "patience",
          config_.name);
      return feed(vrrp::ResumeMaster{footing_->address});
    }
  }
  if (config_.priority != vrrp::kPriorityOwner) remove_addresses();
  refresh();
  if (router_.state() == vrrp::State::init) feed(vrrp::InterfaceDown{});
}

const std::string& VrrpInstance::device_of(const VirtualAddress& address) const {
  return address.device.empty() ? config_.interface : address.device;
}

Result<VrrpInstance::Footing> VrrpInstance::find_footing() const {
  const auto link = around_.netlink.link(config_.interface);
  if (!link) return fail("interface {} does not exist", config_.interface);
  if (!link->up) return fail("interface {} is down", config_.interface);
  for (const InterfaceAddress& own : around_.netlink.addresses()) {
    const bool is_virtual =
        std::any_of(config_.virtual_addresses.begin(), config_.virtual_addresses.end(),
                    [&](const auto& vip) { return vip.address.address == own.address.address; });
    if (own.interface_index == link->index && own.address.address.is_v4() &&
        (!is_virtual || config_.priority == vrrp::kPriorityOwner)) {
      return Footing{link->index, own.address.address, link->mac};
    }
  }
  return fail("interface {} has no IPv4 address of its own", config_.interface);
}

void VrrpInstance::refresh() {
  if (stopped_) return;
  auto found = find_footing();
  if (!found) return fault(found.error().text);
  if (!socket_ || !footing_ || footing_->index != found->index) {
    const auto opened = open_socket(found->index);
    if (!opened) return fault(opened.error().text);
  }
  repair_addresses();
  const bool changed = !footing_ || footing_->address != found->address;
  const bool new_mac = footing_ && footing_->index == found->index && footing_->mac != found->mac;
  footing_ = *found;
  if (new_mac) announce_new_mac();
  expected_.own_address = footing_->address;
  fault_reason_.clear();
  if (changed || router_.state() == vrrp::State::fault || router_.state() == vrrp::State::init) {
    feed(vrrp::InterfaceUp{footing_->address});
  }
}

void VrrpInstance::fault(const std::string& reason) {
  if (router_.state() == vrrp::State::fault && fault_reason_ == reason) return;
  fault_reason_ = reason;
  feed(vrrp::InterfaceDown{});
  watch_.reset();
  socket_.reset();
  footing_.reset();
}

Result<void> VrrpInstance::open_socket(unsigned index) {
  watch_.reset();
  auto socket = VrrpSocket::open(config_.interface, static_cast<int>(index));
  if (!socket) return socket.error();
  auto watch = around_.loop.watch((*socket)->fd(), EPOLLIN, [this](uint32_t) { receive(); });
  if (!watch) return watch.error();
  socket_ = std::move(*socket);
  watch_ = std::move(*watch);
  return {};
}

void VrrpInstance::shutdown() {
  stopped_ = true;
  feed(vrrp::Shutdown{});
}

void VrrpInstance::give_up_addresses(const VrrpInstanceConfig& config) {
  if (router_.state() != vrrp::State::master) return;
  for (const VirtualAddress& vip : config_.virtual_addresses) {
    const bool stays =
        std::any_of(config.virtual_addresses.begin(), config.virtual_addresses.end(),
                    [&](const VirtualAddress& other) {
                      return other.address == vip.address && device_of(other) == device_of(vip);
                    });
    if (!stays) remove_address(vip);
  }
}

void VrrpInstance::reconfigure(const VrrpInstanceConfig& config) {
  const std::set<AddressRecord::Entry> before = address_entries();
  config_ = config;
  const IpAddress own = expected_.own_address;
  expected_ = vrrp::expectation_of(config_, own);
  if (router_.state() == vrrp::State::master) {
    add_addresses();
    const auto entries = address_entries();
    const bool all_known =
        std::includes(before.begin(), before.end(), entries.begin(), entries.end());
    if (!all_known) announce();
  }
  carry_out_all(router_.reconfigure(vrrp::settings_of(config_), around_.loop.now()));
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
          add_addresses();
        } else if constexpr (std::is_same_v<What, vrrp::RemoveAddresses>) {
          remove_addresses();
        } else if constexpr (std::is_same_v<What, vrrp::AnnounceAddresses>) {
          announce();
        } else if constexpr (std::is_same_v<What, vrrp::StateChanged>) {
          transition(what.from, what.to);
        } else {
          static_assert(std::is_same_v<What, vrrp::MasterLost>);
          around_.master_lost(what.last_master);
        }
      },
      action);
}

void VrrpInstance::receive() {
  const auto received =
      socket_->receive([this](std::span<const uint8_t> ip_packet) { packet(ip_packet); });
  if (!received) log::warning("{}: {}", config_.name, received.error().text);
}

void VrrpInstance::packet(std::span<const uint8_t> ip_packet) {
  const vrrp::DecodeResult result = vrrp::decode(ip_packet, expected_);
  if (const auto* refusal = std::get_if<vrrp::Refusal>(&result)) return refuse(*refusal);
  const auto* received = std::get_if<vrrp::Received>(&result);
  if (received == nullptr) return;  // another virtual router's
  if (around_.netlink.is_local(received->source)) return refuse(vrrp::Refusal::own);
  ++adverts_received_;
  if (stopped_ && received->advertisement.priority != vrrp::kPriorityStop) successor_heard_ = true;
  around_.heard(received->source);
  feed(vrrp::AdvertisementReceived{received->source, received->advertisement.priority,
                                   received->advertisement.interval});
}

void VrrpInstance::refuse(vrrp::Refusal refusal) {
  RefusalCount& counted = refused_[static_cast<size_t>(refusal)];
  ++counted.count;
  const TimePoint now = around_.loop.now();
  if (now < counted.next_log) return;
  counted.next_log = now + kRefusalLogInterval;
  log::warning("{}: refused an advertisement on {}: {} ({} so far)", config_.name,
               config_.interface, vrrp::name_of(refusal), counted.count);
}

void VrrpInstance::send(uint8_t priority) {
  if (!socket_ || !footing_) return;
  const auto advertisement = vrrp::advertisement_of(config_, priority);
  const auto message = vrrp::encode(advertisement, footing_->address, vrrp::kMulticastGroup);
  const auto sent = socket_->send(message, footing_->address);
  if (!sent) {
    log::warning("{}: {}", config_.name, sent.error().text);
    return;
  }
  ++adverts_sent_;
  if (priority != vrrp::kPriorityStop) around_.adverts.stamp(config_.name, around_.loop.now());
}

void VrrpInstance::add_addresses() {
  for (const VirtualAddress& vip : config_.virtual_addresses) {
    const auto link = around_.netlink.link(device_of(vip));
    if (!link) {
      log::error("{}: cannot add {} to {}: no such interface", config_.name, vip.address,
                 device_of(vip));
      continue;
    }
    const auto recorded = around_.addresses.add({link->name, vip.address});
    if (!recorded) log::warning("{}: {}", config_.name, recorded.error().text);
    const auto added = around_.netlink.add_address(link->index, vip.address);
    if (!added) log::error("{}: {}", config_.name, added.error().text);
  }
}

void VrrpInstance::remove_addresses() {
  for (const VirtualAddress& vip : config_.virtual_addresses)
    remove_address(vip);
}

void VrrpInstance::remove_address(const VirtualAddress& vip) {
  const auto link = around_.netlink.link(device_of(vip));
  if (!link) return;  // its addresses went with it
  const auto removed = around_.netlink.remove_address(link->index, vip.address);
  if (!removed) {
    log::error("{}: {}", config_.name, removed.error().text);
    return;
  }
  const auto recorded = around_.addresses.remove({link->name, vip.address});
  if (!recorded) log::warning("{}: {}", config_.name, recorded.error().text);
}

void VrrpInstance::announce() {
  for (const VirtualAddress& vip : config_.virtual_addresses) {
    const auto link = around_.netlink.link(device_of(vip));
    if (!link) continue;
    const auto sent =
        around_.announcer.announce(static_cast<int>(link->index), link->mac, vip.address.address);
    if (!sent) log::warning("{}: {}", config_.name, sent.error().text);
  }
}

void VrrpInstance::transition(vrrp::State from, vrrp::State to) {
  since_ = std::chrono::system_clock::now();
  if (from != vrrp::State::init) ++transitions_;
  if (from == vrrp::State::master) around_.adverts.clear(config_.name);
  const std::string why = to == vrrp::State::fault ? ": " + fault_reason_ : "";
  log::notice("{}: {} -> {}{}", config_.name, vrrp::name_of(from),
              to == vrrp::State::init ? "STOP" : vrrp::name_of(to), why);
  notify(to);
  around_.state_changed();
}

void VrrpInstance::notify(vrrp::State state) {
  const std::optional<ScriptCommand>* own = nullptr;
  std::string_view word;
  switch (state) {
    case vrrp::State::master:
      own = &config_.notify_master, word = "MASTER";
      break;
    case vrrp::State::backup:
      own = &config_.notify_backup, word = "BACKUP";
      break;
    case vrrp::State::fault:
      own = &config_.notify_fault, word = "FAULT";
      break;
    case vrrp::State::init:
      own = &config_.notify_stop, word = "STOP";
      break;
  }
  if (*own) run_script(**own);
  if (config_.notify) {
    ScriptCommand command = *config_.notify;
    command.argv.insert(command.argv.end(), {"INSTANCE", config_.name, std::string(word),
                                             std::to_string(config_.priority)});
    run_script(command);
  }
}

void VrrpInstance::run_script(const ScriptCommand& command) {
  run_notify_script(around_.scripts, around_.global, config_.name, command);
}

Status::Vrrp VrrpInstance::status() const {
  Status::Vrrp result;
  result.instance = config_.name;
  result.state = router_.state() == vrrp::State::init ? vrrp::name_of(vrrp::State::backup)
                                                      : vrrp::name_of(router_.state());
  result.reason = fault_reason_;
  result.interface = config_.interface;
  result.version = static_cast<int>(config_.version);
  result.priority = config_.priority;
  result.virtual_router_id = config_.virtual_router_id;
  result.advert_interval_s = std::chrono::duration<double>(config_.advert_interval).count();
  for (const VirtualAddress& vip : config_.virtual_addresses) {
    result.virtual_addresses.push_back(vip.address.to_string());
  }
  if (const auto master = router_.master_address()) result.master_address = master->to_string();
  result.since = since_;
  result.transitions = transitions_;
  result.adverts_sent = adverts_sent_;
  result.adverts_received = adverts_received_;
  for (size_t i = 0; i < refused_.size(); ++i) {
    if (refused_[i].count == 0) continue;
    result.refused.push_back(
        {std::string(vrrp::name_of(static_cast<vrrp::Refusal>(i))), refused_[i].count});
  }
  return result;
}

}  // namespace xlb
