#include "compare.h"

#include <linux/bpf.h>

#include <algorithm>

#include "model.h"
#include "model_parse.h"

namespace xlb::oracle {
namespace {

std::string hex_difference(const Bytes& is, const Bytes& want) {
  if (is.size() != want.size())
    return "length " + std::to_string(is.size()) + ", model " + std::to_string(want.size());
  const auto at =
      static_cast<size_t>(std::mismatch(is.begin(), is.end(), want.begin()).first - is.begin());
  char line[100];
  snprintf(line, sizeof(line), "byte %zu is %02x, model %02x", at, is[at], want[at]);
  return line;
}

// After a packet whose counter did not go up: which did.
std::string counted_instead(Kernel& kernel, const Tables& want, xlb_verdict expected) {
  std::string text = std::string("verdict: model ") + name_of(expected) + ", kernel";
  for (uint32_t i = 0; i < XLB_VERDICTS; i++) {
    const auto reason = static_cast<xlb_verdict>(i);
    const uint64_t before = want.verdicts[i] - (reason == expected ? 1 : 0);
    if (kernel.verdict(reason) != before) text += std::string(" ") + name_of(reason);
  }
  return text;
}

std::string compare_one(Kernel& kernel, const Tables& tables, const Decision& want,
                        const Outcome& outcome) {
  if (kernel.verdict(want.reason) != tables.verdicts[want.reason])
    return counted_instead(kernel, tables, want.reason);
  if (outcome.action != want.action)
    return std::string("action: model ") + action_name(want.action) + ", kernel " +
           action_name(outcome.action);
  if (outcome.action != XDP_DROP && outcome.frame != want.frame)
    return std::string("frame out (") + name_of(want.reason) +
           "): " + hex_difference(outcome.frame, want.frame);
  return kernel.quick_difference(tables);
}

}  // namespace

std::optional<Mismatch> check(Kernel& kernel, const Scenario& scenario, Depth depth) {
  kernel.write(scenario.tables);
  Tables tables = scenario.tables;
  for (size_t i = 0; i < scenario.packets.size(); i++) {
    const Bytes& packet = scenario.packets[i];
    const Outcome outcome = kernel.run(packet);
    std::string text = violated_invariant(tables, packet, outcome);
    const Decision want = decide(tables, packet, {.ifindex = kIngress, .now_s = kNow});
    if (text.empty()) text = compare_one(kernel, tables, want, outcome);
    if (text.empty() && depth == Depth::thorough) text = kernel.difference(tables);
    if (!text.empty()) return Mismatch{i, text};
  }
  if (depth == Depth::quick && !kernel.difference(tables).empty())
    return check(kernel, scenario, Depth::thorough);
  return std::nullopt;
}

// 00:00:5e:00:01:VRID and 00:00:5e:00:02:VRID (RFC 9568 7.3) of a router whose master is here.
bool is_of_virtual_router(const xlb_interface& interface, const Bytes& frame) {
  static constexpr uint8_t kPrefix[] = {0, 0, 0x5e, 0};
  if (std::memcmp(frame.data(), kPrefix, sizeof kPrefix) != 0) return false;
  const unsigned version = frame[4];
  const unsigned vrid = frame[5];
  if (version != 1 && version != 2) return false;
  return (interface.virtual_routers[version - 1][vrid / 32] >> (vrid % 32) & 1) != 0;
}

std::string violated_invariant(const Tables& tables, const Bytes& in, const Outcome& outcome) {
  const Bytes& out = outcome.frame;
  if (outcome.action == XDP_ABORTED) return "aborted";
  if (outcome.action == XDP_PASS && out != in) return "a frame for the stack was changed";
  if (outcome.action != XDP_TX && outcome.action != XDP_REDIRECT) return {};

  const Parsed parsed = parse(in);
  const auto is_service = [&](const xlb_service& service) {
    return service.key.family == parsed.family &&
           std::memcmp(service.key.address, parsed.destination.data(),
                       sizeof(service.key.address)) == 0;
  };
  if (!std::any_of(tables.services.begin(), tables.services.end(), is_service))
    return "transmitted, but not for a virtual server";
  const auto own = [&](const xlb_interface& one) {
    return one.ifindex == kIngress &&
           (std::memcmp(one.mac, in.data(), 6) == 0 || is_of_virtual_router(one, in));
  };
  if (!std::any_of(tables.interfaces.begin(), tables.interfaces.end(), own))
    return "transmitted, but addressed to another MAC";

  const Mac source = mac_at(out, 6);
  const bool answer = source == mac_at(in, 0) && mac_at(out, 0) == mac_at(in, 6);
  const auto is_its = [&](const xlb_real_server& one) {
    return std::memcmp(one.source_mac, source.data(), 6) == 0 &&
           std::memcmp(one.destination_mac, out.data(), 6) == 0;
  };
  if (!answer && std::none_of(tables.real_servers.begin(), tables.real_servers.end(), is_its))
    return "transmitted with MACs that no real server has";
  if (answer) return {};
  // What follows the changed headers is as it was: the packet ends the frame as before.
  const size_t changed = parsed.ip + (parsed.family == XLB_IPV4 ? 12U : 8U);
  if (out.size() < in.size()) return "forwarded shorter than it was";
  if (!std::equal(in.begin() + static_cast<std::ptrdiff_t>(changed), in.end(),
                  out.end() - static_cast<std::ptrdiff_t>(in.size() - changed)))
    return "bytes beyond the rewritten fields changed";
  return {};
}

}  // namespace xlb::oracle
