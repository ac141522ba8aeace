#include "io/xdp_dataplane.h"

#include <xlb/hash.h>

#include <algorithm>
#include <set>

#include "io/abi_encode.h"
#include "io/vlan_offload.h"

namespace xlb {
namespace {

constexpr auto kSweepBudget = std::chrono::milliseconds(1);
constexpr size_t kSweepBuckets = 256;  // between two looks at the clock
constexpr size_t kWholeTable = SIZE_MAX;

}  // namespace

XdpDataplane::XdpDataplane(BpfDirectory directory, XdpProgram program, XdpLinks links)
    : directory_(std::move(directory)), program_(std::move(program)), links_(std::move(links)) {}

Result<std::unique_ptr<XdpDataplane>> XdpDataplane::open(const XdpOptions& options) {
  auto directory = BpfDirectory::prepare(options.bpf_directory);
  if (!directory) return directory.error();
  auto program = XdpProgram::load(*directory, options.sizes);
  if (!program) return program.error();
  auto links = XdpLinks::adopt(*directory);
  if (!links) return links.error();
  std::unique_ptr<XdpDataplane> result(
      new XdpDataplane(*directory, std::move(*program), std::move(*links)));
  if (auto opened = result->open_tables(); !opened) return opened.error();
  result->describe_adoption();
  // With the old maps, or when nothing runs, there is nothing to wait for.
  if (result->program_.adopted() || result->links_.interfaces().empty()) {
    if (auto taken = result->take_over(); !taken) return taken.error();
  }
  return result;
}

Result<void> XdpDataplane::purge(const std::string& bpf_directory) {
  return BpfDirectory::purge(bpf_directory);
}

Result<void> XdpDataplane::open_tables() {
  ports_ = {program_.map("xlb_ports"), "xlb_ports"};
  const auto& set = program_.map_set();
  Result<void> done;
  const auto map = [&](auto& array, size_t count, std::string_view name) {
    if (!done) return;
    auto mapped = std::decay_t<decltype(array)>::map(program_.map(name), count, name);
    if (mapped) {
      array = std::move(*mapped);
    } else {
      done = mapped.error();
    }
  };
  map(flow_memory_, set.flow_buckets, "xlb_flows");
  map(flow_address_memory_, size_t{set.flow_buckets} * XLB_FLOWS_PER_BUCKET, "xlb_flow_addresses");
  map(client_memory_, set.client_buckets, "xlb_persistence");
  map(client_address_memory_, size_t{set.client_buckets} * XLB_PERSISTENCE_PER_BUCKET,
      "xlb_client_addresses");
  map(interface_memory_, XLB_INTERFACE_SLOTS, "xlb_interfaces");
  if (!done) return done;
  interfaces_ = InterfaceTable(interface_memory_.span());
  auto tables = ServiceTables::open(program_);
  if (!tables) return tables.error();
  tables_ = std::move(*tables);
  flows_ = FlowTable({.flows = flow_memory_.span(),
                      .clients = client_memory_.span(),
                      .flow_addresses = flow_address_memory_.span(),
                      .client_addresses = client_address_memory_.span(),
                      .loads = tables_.loads()},
                     set.hash_seed);
  forget_interfaces_without_link();
  return {};
}

void XdpDataplane::describe_adoption() {
  if (!program_.replaced_because().empty()) {
    adoption_ = fmt::format("replaced what an earlier run left: {}", program_.replaced_because());
  } else if (program_.adopted()) {
    size_t flows = 0;
    const uint32_t now_s = xlb_clock(std::chrono::steady_clock::now());
    flows_.visit_flows(0, kWholeTable, now_s, tables_.rules(),
                       [&](const xlb_flow&, const xlb_client_address&) { ++flows; });
    adoption_ = fmt::format("adopted {} flows, {} virtual servers and {} attachments", flows,
                            tables_.services().size(), links_.interfaces().size());
  }
}

void XdpDataplane::forget_interfaces_without_link() {
  const auto attached = links_.interfaces();
  for (const unsigned ifindex : interfaces_.interfaces()) {
    if (std::find(attached.begin(), attached.end(), ifindex) != attached.end()) continue;
    interfaces_.erase(ifindex);
  }
}

Result<void> XdpDataplane::take_over() {
  if (taken_over_) return {};
  if (auto switched = links_.switch_to(program_.fd()); !switched) return switched;
  if (auto taken = program_.take_over(); !taken) return taken;
  taken_over_ = true;
  return {};
}

Result<Attached> XdpDataplane::attach(const std::string& interface, unsigned ifindex,
                                      const InterfaceIdentity& identity, AttachMode mode) {
  (void)forget_detached();  // their pins may be in the way
  if (auto kept = keep_vlan_tags(interface); !kept) return kept.error();
  if (auto set = set_interface(ifindex, identity); !set) return set.error();
  if (auto added = add_port(ifindex); !added) return added.error();
  auto attached = links_.attach(interface, ifindex, mode, program_.fd());
  if (!attached) interfaces_.erase(ifindex);
  return attached;
}

Result<void> XdpDataplane::set_interface(unsigned ifindex, const InterfaceIdentity& identity) {
  return interfaces_.put(ifindex, identity);
}

std::vector<unsigned> XdpDataplane::forget_detached() {
  auto result = links_.forget_detached();
  for (const unsigned ifindex : result)
    interfaces_.erase(ifindex);
  return result;
}

Result<bool> XdpDataplane::restore_pins() {
  if (!taken_over_) return false;  // what runs is the predecessor's
  if (auto prepared = BpfDirectory::prepare(directory_.path()); !prepared) return prepared.error();
  const auto program = program_.restore_pins();
  if (!program) return program.error();
  const auto links = links_.restore_pins();
  if (!links) return links.error();
  return *program || *links;
}

Result<void> XdpDataplane::detach(unsigned ifindex) {
  auto detached = links_.detach(ifindex);
  interfaces_.erase(ifindex);
  return detached;
}

Result<void> XdpDataplane::add_port(unsigned ifindex) {
  auto added = ports_.put(ifindex, ifindex);
  if (!added) return added.error().context(fmt::format("cannot send to interface {}", ifindex));
  return {};
}

void XdpDataplane::reclaim_numbers(const ForwardingDiff& changes) {
  size_t real_servers = 0;
  for (const auto& service : changes.changed)
    real_servers += service.real_servers.size();
  if (!tables_.short_of_numbers(changes.changed.size(), real_servers)) return;
  // A whole pass at once (some 10 ms for a million flows): rare, and better than refusing the
  // change.
  const uint32_t now_s = xlb_clock(std::chrono::steady_clock::now());
  if (!flows_.between_passes()) flows_.sweep(now_s, tables_.rules(), kWholeTable);
  tables_.pass_begins();
  flows_.sweep(now_s, tables_.rules(), kWholeTable);
  tables_.pass_completed();
}

Result<void> XdpDataplane::apply_service(const ForwardedVirtualServer& service) {
  std::set<unsigned> leaving;
  for (const auto& server : service.real_servers) {
    if (server.next_hop) leaving.insert(server.next_hop->interface_index);
  }
  for (const unsigned ifindex : leaving) {
    if (ifindex == 0) continue;  // install() says whose it is
    if (auto added = add_port(ifindex); !added) return added;
  }
  return tables_.install(service);
}

Result<void> XdpDataplane::apply(const ForwardingTable& desired) {
  std::set<ServiceKey> keys;
  for (const auto& service : desired.virtual_servers) {
    if (!keys.insert(service.key).second) {
      return fail("cannot apply virtual server {}: it is there twice", service.key);
    }
  }
  tables_.reclaim();
  tables_.set_timeouts(desired.timeouts);
  std::optional<Error> first_error;
  const auto note = [&](const Error& error) {
    if (!first_error) first_error = error;
  };
  for (const auto& key : tables_.services()) {  // adopted ones too
    if (keys.contains(key)) continue;
    if (auto removed = tables_.remove(key); !removed) note(removed.error());
  }
  const auto changes = diff(applied_, desired);
  reclaim_numbers(changes);
  std::set<ServiceKey> failed;
  for (const auto& service : changes.changed) {
    pause_();
    if (auto installed = apply_service(service); !installed) {
      failed.insert(service.key);
      note(installed.error());
    }
  }
  applied_ = desired;
  std::erase_if(applied_.virtual_servers,
                [&](const auto& service) { return failed.contains(service.key); });
  if (first_error) return *first_error;
  return take_over();
}

bool XdpDataplane::sweep_step(TimePoint now) {
  const auto deadline = std::chrono::steady_clock::now() + kSweepBudget;
  if (flows_.between_passes()) tables_.pass_begins();
  do {
    if (!flows_.sweep(xlb_clock(now), tables_.rules(), kSweepBuckets)) continue;
    tables_.pass_completed();
    return true;
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

Result<void> XdpDataplane::release() {
  for (const unsigned ifindex : links_.interfaces()) {
    if (auto detached = links_.detach(ifindex); !detached) return detached;
  }
  return BpfDirectory::purge(directory_.path());
}

}  // namespace xlb
