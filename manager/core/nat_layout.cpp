#include "core/nat_layout.h"

#include "core/nat_rules.h"

namespace xlb {
namespace {

template <typename Positions>
std::optional<uint32_t> find(const Positions& positions, const ServiceKey& service,
                             const Endpoint& endpoint) {
  const auto found = positions.find({service, endpoint});
  return found == positions.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

NatLayout::NatLayout(const ForwardingTable& table, bool vips_on_loopback) {
  for (const auto& forwarded : table.virtual_servers) {
    service_positions_[forwarded.key] = static_cast<uint32_t>(services_.size());
    Service& service = services_.emplace_back();
    service.key = forwarded.key;
    service.unserved_counter = unserved_counter(forwarded.key);
    service.first = static_cast<uint32_t>(servers_.size());
    for (const auto& server : forwarded.real_servers) {
      const auto position = static_cast<uint32_t>(servers_.size());
      servers_.push_back({forwarded.key, server.endpoint, server.forwardable != Forwardable::no,
                          connection_counter(forwarded.key, server.endpoint),
                          packet_counter(forwarded.key, server.endpoint),
                          client_set(forwarded.key, server.endpoint)});
      positions_[{forwarded.key, server.endpoint}] = position;
      Endpoint target = target_of(forwarded.key, server, vips_on_loopback);
      // What is redirected answers from an address that only the kernel knows.
      if (is_loopback(target.address)) target.address = {};
      answering_[{forwarded.key, target}] = position;
      service.served = service.served || server.forwardable == Forwardable::yes;
    }
    service.end = static_cast<uint32_t>(servers_.size());
    if (forwarded.key.mark != 0) marked_.push_back(forwarded.key);
  }
}

const NatLayout::Service* NatLayout::service(const ServiceKey& addressed) const {
  auto found = service_positions_.find(addressed);
  if (found == service_positions_.end()) {
    found = service_positions_.find({addressed.address, 0, addressed.protocol});
  }
  return found == service_positions_.end() ? nullptr : &services_[found->second];
}

std::optional<uint32_t> NatLayout::position(const ServiceKey& service,
                                            const Endpoint& endpoint) const {
  return find(positions_, service, endpoint);
}

std::optional<uint32_t> NatLayout::answering(const ServiceKey& service,
                                             const Endpoint& endpoint) const {
  // As it is named, or on any port, or redirected.
  for (const Endpoint& target : {endpoint, Endpoint{endpoint.address, 0},
                                 Endpoint{IpAddress(), endpoint.port}, Endpoint{}}) {
    if (const auto found = find(answering_, service, target)) return found;
  }
  return std::nullopt;
}

std::optional<uint32_t> NatLayout::answering_marked(const Endpoint& endpoint) const {
  std::optional<uint32_t> any;
  for (const ServiceKey& service : marked_) {
    const auto found = answering(service, endpoint);
    if (found && servers_[*found].usable) return found;
    if (found) any = found;
  }
  return any;
}

}  // namespace xlb
