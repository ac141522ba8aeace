#include "director/vrrp_channel.h"

#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "base/log.h"
#include "director/vrrp_instance.h"
#include "io/hmac_sha256.h"

namespace xlb {
namespace {

constexpr auto kLogInterval = std::chrono::seconds(10);
constexpr size_t kMostSendersRemembered = 32;

vrrp::UnixTime unix_time() {
  return std::chrono::system_clock::now().time_since_epoch();
}

bool is_link_local(const IpAddress& address) {
  return !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
}

}  // namespace

VrrpChannel::VrrpChannel(const VrrpSurroundings& around, const VrrpInstanceConfig& config,
                         Hear hear)
    : around_(around), config_(config), hear_(std::move(hear)) {
  configure();
}

void VrrpChannel::configure() {
  key_fault_.clear();
  if (!config_.protocol.hmac) {
    guard_.reset();
  } else {
    VrrpHmac settings = *config_.protocol.hmac;
    for (VrrpHmacKey& key : settings.keys) {
      if (key.file.empty()) continue;
      auto secret = read_key_file(key.file);
      if (secret && secret->size() >= 32 && secret->size() <= 64) {
        key.secret = std::move(*secret);
      } else {
        key_fault_ =
            secret ? "key file " + key.file + " does not hold 32 to 64 bytes" : secret.error().text;
      }
    }
    if (guard_) {
      guard_->configure(std::move(settings));
    } else {
      guard_.emplace(std::move(settings), &hmac_sha256);
    }
  }
  expect();
}

// The kernel's routes do not tell whether a peer is one hop away; its subnet does. A peer that is
// not on the link cannot be held to a TTL of 255.
void VrrpChannel::expect() {
  const IpAddress own = footing_ ? footing_->address : IpAddress();
  expected_ = vrrp::expectation_of(config_, own);
  for (size_t i = 0; i < expected_.senders.size(); ++i) {
    const UnicastPeer& peer = config_.protocol.peers[i];
    if (!peer.min_ttl && !peer.max_ttl && footing_ && !on_link(peer.address)) {
      expected_.senders[i].min_ttl = 0;
    }
  }
}

bool VrrpChannel::on_link(const IpAddress& peer) const {
  if (is_link_local(peer)) return true;
  const auto& present = around_.netlink.addresses();
  return std::any_of(present.begin(), present.end(), [&](const InterfaceAddress& own) {
    const uint8_t length = own.address.prefix_length;
    return own.address.address.family() == peer.family() &&
           own.address.address.masked(length) == peer.masked(length);
  });
}

bool VrrpChannel::speaks_link_local() const {
  const auto& peers = config_.protocol.peers;
  return config_.family == AddressFamily::ipv6 &&
         (peers.empty() || is_link_local(peers.front().address));
}

bool VrrpChannel::is_source(const InterfaceAddress& own, unsigned index,
                            const VrrpAddresses& addresses) const {
  const IpAddress& address = own.address.address;
  if (config_.protocol.source) return address == *config_.protocol.source;
  const bool owner = config_.priority == vrrp::kPriorityOwner;
  return own.interface_index == index && address.family() == config_.family &&
         is_link_local(address) == speaks_link_local() && (owner || !addresses.has(address));
}

Result<VrrpFooting> VrrpChannel::find_footing(const VrrpAddresses& addresses) const {
  const VrrpProtocol& protocol = config_.protocol;
  if (!key_fault_.empty()) return fail("{}", key_fault_);
  if (protocol.fault_without_peers && protocol.peers.empty()) {
    return fail("unicast_fault_no_peer: there is no unicast_peer");
  }
  const auto link = around_.netlink.link(config_.interface);
  if (!link) return fail("interface {} does not exist", config_.interface);
  if (!around_.links.up(*link) && !config_.tracking.dont_track_primary) {
    return fail("interface {} is down", config_.interface);
  }
  for (const InterfaceAddress& own : around_.netlink.addresses()) {
    if (!is_source(own, link->index, addresses)) continue;
    const auto speaking = around_.netlink.link(addresses.speaking_interface());
    if (!speaking) return fail("interface {} is not there yet", addresses.speaking_interface());
    if (!around_.links.up(*speaking)) return fail("interface {} is down", speaking->name);
    return VrrpFooting{speaking->name, speaking->index, own.address.address, speaking->mac};
  }
  if (protocol.source) return fail("source address {} is not on this host", *protocol.source);
  return fail("interface {} has no {} address of its own", config_.interface,
              speaks_link_local()                     ? "IPv6 link-local"
              : config_.family == AddressFamily::ipv4 ? "IPv4"
                                                      : "IPv6");
}

VrrpSocketOptions VrrpChannel::socket_options(const VrrpFooting& footing) const {
  VrrpSocketOptions options;
  options.interface = footing.interface;
  options.interface_index = static_cast<int>(footing.index);
  const auto below = around_.netlink.link(config_.interface);
  if (below && below->index != footing.index) options.lower_index = static_cast<int>(below->index);
  options.family = config_.family;
  options.group = config_.protocol.peers.empty() ? config_.protocol.group : IpAddress();
  options.ttl = config_.protocol.unicast_ttl;
  options.virtual_router_id = config_.virtual_router_id;
  return options;
}

Result<void> VrrpChannel::stand_on(const VrrpFooting& footing) {
  const VrrpSocketOptions options = socket_options(footing);
  if (!socket_ || socket_->options() != options) {
    watch_.reset();
    auto socket = VrrpSocket::open(options);
    if (!socket) return socket.error();
    auto watch = around_.loop.watch((*socket)->fd(), EPOLLIN, [this](uint32_t) { receive(); },
                                    EventLoop::Urgency::urgent);
    if (!watch) return watch.error();
    socket_ = std::move(*socket);
    watch_ = std::move(*watch);
  }
  footing_ = footing;
  expect();
  return {};
}

void VrrpChannel::close() {
  watch_.reset();
  socket_.reset();
  footing_.reset();
}

void VrrpChannel::receive() {
  const auto received =
      socket_->receive([this](const std::optional<vrrp::IpPacket>& arrived) { packet(arrived); });
  if (!received) log_failure(received.error().text);
}

void VrrpChannel::packet(const std::optional<vrrp::IpPacket>& packet) {
  using vrrp::Refusal;
  if (!packet) return refuse(Refusal::malformed, "somebody");
  const vrrp::DecodeResult result = vrrp::decode(*packet, expected_);
  const auto* received = std::get_if<vrrp::Received>(&result);
  std::optional<Refusal> refusal;
  if (const auto* refused = std::get_if<Refusal>(&result)) refusal = *refused;
  if (received == nullptr && !refusal) return;  // another virtual router's
  if (received != nullptr && around_.netlink.is_local(packet->source)) refusal = Refusal::own;
  if (!refusal && !received->trailer.empty()) {
    refusal = guard_->check(*received, config_.version, unix_time());
  }
  if (refusal == Refusal::own) {
    count_alarm(vrrp::Alarm::duplicate, packet->source.to_string() + " is our own address");
  }
  if (refusal) return refuse(*refusal, packet->source.to_string());
  remember_form(*received);
  hear_(*received);
}

// Both forms of version 3's checksum over IPv4 are accepted; which one a director sends helps to
// see why another, stricter one may not hear it.
void VrrpChannel::remember_form(const vrrp::Received& advertisement) {
  if (config_.version != VrrpVersion::v3 || config_.family == AddressFamily::ipv6) return;
  const auto known = plain_checksum_.find(advertisement.source);
  if (known != plain_checksum_.end() && known->second == advertisement.plain_checksum) return;
  if (known == plain_checksum_.end() && plain_checksum_.size() >= kMostSendersRemembered) return;
  plain_checksum_[advertisement.source] = advertisement.plain_checksum;
  log::info("{}: {} sends checksums {} pseudo header", config_.name, advertisement.source,
            advertisement.plain_checksum ? "without" : "with");
}

bool VrrpChannel::due(Count& counted) {
  ++counted.count;
  const TimePoint now = around_.loop.now();
  if (now < counted.next_log) return false;
  counted.next_log = now + kLogInterval;
  return true;
}

void VrrpChannel::refuse(vrrp::Refusal refusal, const std::string& sender) {
  Count& counted = refused_[static_cast<size_t>(refusal)];
  if (!due(counted)) return;
  log::warning("{}: refused an advertisement of {} on {}: {} ({} so far)", config_.name, sender,
               config_.interface, vrrp::name_of(refusal), counted.count);
}

void VrrpChannel::count_alarm(vrrp::Alarm alarm, const std::string& about) {
  Count& counted = alarms_[static_cast<size_t>(alarm)];
  if (!due(counted)) return;
  log::warning("{}: alarm {} on {}: {} ({} so far)", config_.name, vrrp::name_of(alarm),
               config_.interface, about, counted.count);
}

void VrrpChannel::raise(const vrrp::Alarms& alarms, const vrrp::Received& advertisement) {
  if (alarms.none()) return;
  for (size_t i = 0; i < vrrp::kAlarmCount; ++i) {
    if (!alarms[i]) continue;
    count_alarm(static_cast<vrrp::Alarm>(i),
                fmt::format("{} advertises priority {} every {} ms", advertisement.source,
                            advertisement.priority, advertisement.interval.count()));
  }
}

void VrrpChannel::log_failure(const std::string& text) {
  if (due(failures_)) log::warning("{}: {}", config_.name, text);
}

bool VrrpChannel::send(uint8_t priority) {
  if (!socket_ || !footing_) return false;
  const auto advertisement = vrrp::advertisement_of(config_, priority);
  auto message = vrrp::compose(advertisement);
  const size_t trailer = guard_ ? guard_->sign(message, footing_->address, unix_time()) : 0;
  bool all = true;
  const auto send_to = [&](const IpAddress& destination) {
    vrrp::seal(message, advertisement, footing_->address, destination, trailer);
    const auto sent = socket_->send(message, footing_->address, destination);
    if (!sent) log_failure(sent.error().text);
    all = all && sent.ok();
  };
  for (const UnicastPeer& peer : config_.protocol.peers)
    send_to(peer.address);
  if (config_.protocol.peers.empty()) send_to(config_.protocol.group);
  if (all) ++sent_;
  return all;
}

void VrrpChannel::describe(Status::Vrrp& status) const {
  status.family = config_.family == AddressFamily::ipv4 ? "IPv4" : "IPv6";
  status.mode = config_.protocol.peers.empty() ? "multicast" : "unicast";
  for (const UnicastPeer& peer : config_.protocol.peers)
    status.peers.push_back(peer.address.to_string());
  status.adverts_sent = sent_;
  for (size_t i = 0; i < refused_.size(); ++i) {
    if (refused_[i].count == 0) continue;
    status.refused.push_back(
        {std::string(vrrp::name_of(static_cast<vrrp::Refusal>(i))), refused_[i].count});
  }
  for (size_t i = 0; i < alarms_.size(); ++i) {
    if (alarms_[i].count == 0) continue;
    status.alarms.push_back(
        {std::string(vrrp::name_of(static_cast<vrrp::Alarm>(i))), alarms_[i].count});
  }
}

}  // namespace xlb
