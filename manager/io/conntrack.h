// The kernel's connection tracking, read part by part and thinned out entry by entry (ctnetlink).
// It knows no virtual server: who asks decides which entries matter.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/types.h"

namespace xlb {

enum class TrackedState : uint8_t { syn_recv, established, fin_wait, close, udp };
std::string_view name_of(TrackedState state);  // IPVS's words: "SYN_RECV", ... "UDP"

// One TCP or UDP connection.
struct TrackedConnection {
  Protocol protocol = Protocol::tcp;
  Endpoint client;
  Endpoint destination;  // as the client addressed it
  Endpoint answering;    // whoever answers; differs from destination where it was translated
  TrackedState state = TrackedState::udp;
  std::chrono::seconds expires_in{};
  bool translated = false;  // its destination was
};

class Conntrack {
 public:
  enum class Scope : uint8_t { translated, all };

  static Result<Conntrack> open();

  // Begins a pass over the table; one that is under way ends.
  Result<void> begin(Scope scope);
  // Visits the next part (some hundred connections); true at the end of the pass.
  Result<bool> step(const std::function<void(const TrackedConnection&)>& visit);
  // The connection's next packet is treated as a new one. Best effort: it may have gone meanwhile.
  void forget(const TrackedConnection& connection);

 private:
  Conntrack(UniqueFd reading, UniqueFd deleting)
      : reading_(std::move(reading)), deleting_(std::move(deleting)) {}

  UniqueFd reading_;
  UniqueFd deleting_;
  uint32_t sequence_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace xlb
