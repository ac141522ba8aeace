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
  }
}

const NatLayout::Service* NatLayout::service(const ServiceKey& key) const {
  const auto found = service_positions_.find(key);
  return found == service_positions_.end() ? nullptr : &services_[found->second];
}

std::optional<uint32_t> NatLayout::position(const ServiceKey& service,
                                            const Endpoint& endpoint) const {
  return find(positions_, service, endpoint);
}

std::optional<uint32_t> NatLayout::answering(const ServiceKey& service,
                                             const Endpoint& endpoint) const {
  const auto found = find(answering_, service, endpoint);
  return found ? found : find(answering_, service, Endpoint{IpAddress(), endpoint.port});
}

}  // namespace xlb
