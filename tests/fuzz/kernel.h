// The XDP program in the kernel, with small tables that are written and read as plain values, and a
// clock that stands still at kNow. It knows the layouts, nothing of the rules.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "tables.h"

struct xlb_bpf;

namespace xlb::oracle {

// Ages of flows are taken modulo 2^24 seconds: this is just after the clock went round.
inline constexpr uint32_t kNow = (1U << 24) + 100;

struct Outcome {
  uint32_t action = 0;
  Bytes frame;
};

class Kernel {
 public:
  // Loads the program, or the object that the environment names in XLB_BPF_OBJECT. Moves this
  // thread into a network namespace of its own, where `ports()` exist, until it is destroyed.
  // Throws when it cannot.
  Kernel();
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  [[nodiscard]] std::span<const uint32_t> ports() const { return ports_; }

  // What the verifier had to do: instructions it looked at, bytes of machine code. 0: the kernel
  // does not tell.
  struct Size {
    uint32_t verified_instructions = 0;
    uint32_t machine_code_bytes = 0;
  };
  [[nodiscard]] Size size() const;

  void write(const Tables& tables);
  Outcome run(const Bytes& frame);
  // As often as told, in the kernel, without a look at the frame: for packets that are not changed.
  // Several threads may. More than once makes the kernel patch its code, some milliseconds.
  void repeat(const Bytes& frame, uint32_t times) const;
  // Memory shared with the program.
  [[nodiscard]] std::span<xlb_flow> flows();
  [[nodiscard]] std::span<xlb_client> clients();
  [[nodiscard]] std::span<xlb_load> loads();
  [[nodiscard]] std::span<xlb_scheduler> schedulers();
  // The tables as they are now, except for what the program never changes.
  void read(Tables& tables);

  // One verdict's counter, of this process' CPU.
  uint64_t verdict(xlb_verdict reason);
  // Text of the first difference to what the kernel's tables hold now; empty: none. The quick one
  // looks at what is in memory shared with the kernel, the other at everything.
  std::string quick_difference(const Tables& tables);
  std::string difference(const Tables& tables);

 private:
  struct Arrays;

  void open(const std::string& object_path);
  void place_services(const Tables& tables);
  void place_decoys(const Tables& tables);
  void write_hashes(const Tables& tables);

  xlb_bpf* skeleton_ = nullptr;
  int program_ = -1;
  std::unique_ptr<Arrays> arrays_;
  int home_ = -1;  // the network namespace to go back to
  std::vector<uint32_t> ports_;
  std::vector<uint32_t> used_places_;  // of xlb_services
  std::set<Peer> written_peers_;
  std::set<uint32_t> written_ports_;
  Bytes out_;
};

// The name of a verdict: "TX", "DROP_TTL".
const char* name_of(xlb_verdict reason);
const char* action_name(uint32_t action);

}  // namespace xlb::oracle
