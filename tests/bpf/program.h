// The XDP program in this process: loaded with small tables, its maps filled and read directly,
// frames sent through it one at a time. It knows the ABI; of the manager only the classes that lay
// out what the program looks up.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/types.h"
#include "packet.h"
#include "xlb/abi.h"

struct xlb_bpf;

namespace xlb::test {

inline constexpr uint32_t kIngress = 1;  // loopback: where BPF_PROG_TEST_RUN says frames come from
inline constexpr uint32_t kUsable = XLB_RS_FORWARD | XLB_RS_ACCEPT;
inline constexpr uint32_t kServiceId = 7;

// The MAC of a real server in these tests.
Mac mac_of(uint32_t real_server);

struct ServiceSpec {
  uint32_t id = kServiceId;
  uint32_t address = kVip;  // of IPv6 the last four bytes, as in Packet
  uint16_t port = kPort;
  uint8_t protocol = kTcp;
  uint32_t persistence_timeout_s = 0;
  std::vector<uint32_t> ring;  // real server indices, at most 512
  std::vector<uint32_t> hash;
  uint32_t local_real_server = 0;
  uint8_t version = 4;
  uint8_t scheduling = XLB_SCHEDULE_RING;
  std::optional<uint8_t> hash_input = std::nullopt;  // default: ports too unless persistent
  uint8_t persistence_prefix = 128;
  uint8_t flags = 0;
  bool takes_fragments = false;  // whose beginning was not seen
};

struct RealServerSpec {
  uint32_t flags = kUsable;
  uint32_t service_id = kServiceId;
  uint32_t ifindex = kIngress;
  uint32_t weight = 1;
};

struct Outcome {
  uint32_t action = 0;
  Frame frame;
};

// An outcome and the one counter that went up by one with it ("XLB_TX"; "none or several" if not
// exactly one did).
struct Judged {
  std::string reason;
  uint32_t action = 0;
  Frame frame;
};

// Connections of a real server, as it is told to the schedulers.
struct Load {
  int64_t active = 0;
  int64_t inactive = 0;

  bool operator==(const Load&) const = default;
};

// Why BPF programs cannot be loaded here; empty: they can.
std::string why_not_loadable();

// Its end checks that the loads are what the flows add up to, whatever was done to it.
class Program {
 public:
  // Sizes in buckets, powers of two.
  explicit Program(uint32_t flow_buckets = 1024, uint32_t client_buckets = 256);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Outcome run(const Frame& frame);
  Judged judge(const Frame& frame);

  void put_service(const ServiceSpec& spec);
  void put_real_server(uint32_t index, const RealServerSpec& spec = {});
  // `address`: of the ICMP errors it sends; 0: it sends none.
  void put_interface(uint32_t ifindex, const Mac& mac, uint32_t address = 0,
                     std::set<MacAddress> virtual_macs = {});
  void remove_interface(uint32_t ifindex);
  void put_peer(const Mac& mac, uint32_t service_id = kServiceId);
  void put_port(uint32_t ifindex);
  xlb_settings& settings();

  uint64_t verdicts(xlb_verdict reason);
  std::vector<uint64_t> all_verdicts();
  xlb_traffic traffic(uint32_t real_server);
  xlb_traffic unserved(uint32_t service_id);
  uint64_t cursor(uint32_t service_id);
  Load load(uint32_t real_server);
  // By real server, what the flow table's entries add up to.
  std::vector<Load> counted_flows();

  // The tables, entry by entry; `place` counts through all buckets. What is written counts in the
  // loads.
  [[nodiscard]] size_t flow_places() const;
  xlb_flow flow(size_t place);
  void set_flow(size_t place, const xlb_flow& flow);
  std::vector<xlb_flow> flows();  // those with a key and a value
  std::optional<xlb_flow> flow_of(const Packet& packet, uint32_t service_id = kServiceId);
  // Where the packet's flow is first looked for; an entry put there is found.
  size_t home_of(const Packet& packet, uint32_t service_id = kServiceId);
  xlb_client_address noted_client(size_t place);

  [[nodiscard]] size_t client_places() const;
  xlb_client client(size_t place);
  void set_client(size_t place, const xlb_client& client);
  std::optional<xlb_client> client_of(uint32_t address, uint32_t service_id = kServiceId);
  void put_client(uint32_t address, const xlb_client& client, uint32_t service_id = kServiceId);

 private:
  struct Memory;

  void count(const xlb_flow& flow, int64_t change);

  xlb_bpf* skeleton_;
  std::unique_ptr<Memory> memory_;
};

uint64_t flow_key(const Packet& packet, uint32_t service_id = kServiceId);
uint64_t client_key(uint32_t address, uint32_t service_id = kServiceId);
uint32_t now_s();  // the program's clock

// What a real server should get: the packet with its MACs and one hop less, checksum from scratch.
Frame sent_to(uint32_t real_server, Packet packet);
// The real server whose MAC the outcome's frame carries, 0 if it was not transmitted.
uint32_t receiver(const Outcome& outcome);
uint32_t receiver_of(Program& program, const Packet& packet);

}  // namespace xlb::test
