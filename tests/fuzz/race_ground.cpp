#include "race_ground.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iostream>
#include <map>
#include <thread>
#include <utility>

namespace xlb::oracle {
namespace {

constexpr uint32_t kSpins = 100000;  // then the other thread may be waiting for this CPU

xlb_service service_of(uint16_t id, uint16_t port, uint32_t slots, uint32_t count) {
  xlb_service service{};
  const Address address = address_of("10.10.0.3");
  std::memcpy(service.key.address, address.data(), sizeof(service.key.address));
  service.key.port = htons(port);
  service.key.protocol = 6;
  service.key.family = XLB_IPV4;
  service.id = id;
  service.hash_input = XLB_HASH_SOURCE_ADDRESS | XLB_HASH_SOURCE_PORT;
  service.persistence_prefix = 32;
  service.ring = service.hash = XLB_SLOTS_OF(slots, count);
  return service;
}

// Local real servers: their packets are not changed, and so may be repeated in the kernel.
Tables race_tables() {
  Tables tables;
  std::fill_n(tables.settings.timeout_s, XLB_FLOW_STATES, 900U);
  tables.services.push_back(service_of(kWeb, kWebPort, 0, kWebServers));
  tables.services.push_back(service_of(kSticky, kStickyPort, 8, 4));
  tables.services.back().persistence_timeout_s = 50;
  const auto put = [&](uint32_t index, uint16_t service_id) {
    tables.real_servers[index].flags = XLB_RS_FORWARD | XLB_RS_ACCEPT | XLB_RS_LOCAL;
    tables.real_servers[index].service_id = service_id;
  };
  for (uint32_t i = 0; i < kWebServers; i++) {
    tables.slots[i] = i + 1;
    put(i + 1, kWeb);
    tables.slots[8 + i] = kStickyFirst + i;
    put(kStickyFirst + i, kSticky);
  }
  put(kLiveServer, kWeb);
  xlb_interface interface {};
  interface.ifindex = kIngress;
  std::copy(kMac.begin(), kMac.end(), interface.mac);
  tables.interfaces.push_back(interface);
  return tables;
}

void own_cpu(uint32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  (void)sched_setaffinity(0, sizeof(set), &set);
  const sched_param priority{.sched_priority = 1};
  (void)sched_setscheduler(0, SCHED_FIFO, &priority);
}

}  // namespace

RaceGround::RaceGround(uint32_t rounds) : tables_(race_tables()), rounds_(rounds) {
  cpus_ = std::clamp<uint32_t>(static_cast<uint32_t>(sysconf(_SC_NPROCESSORS_ONLN)), 2, 4);
  for (uint32_t port = 1024; port < 65536; port++) {
    const uint64_t key = key_of(static_cast<uint16_t>(port), tables_.services[0]);
    if (home_bucket(key, kFlowBuckets) < 2) flows_.push_back({static_cast<uint16_t>(port), key});
  }
}

void RaceGround::together(uint32_t rounds,
                          const std::function<void(uint32_t cpu, uint32_t round)>& work,
                          const std::function<void(uint32_t round)>& between) const {
  std::atomic<uint64_t> arrived{0};
  const auto meet = [&](uint64_t meetings) {
    arrived++;
    for (uint32_t spins = 0; arrived.load() < meetings * cpus_; spins++)
      if (spins > kSpins) std::this_thread::yield();
  };
  std::vector<std::thread> threads;
  for (uint32_t cpu = 0; cpu < cpus_; cpu++) {
    threads.emplace_back([&, cpu] {
      own_cpu(cpu);
      uint64_t meetings = 0;
      for (uint32_t round = 0; round < rounds; round++) {
        meet(++meetings);
        work(cpu, round);
        meet(++meetings);
        if (cpu == 0 && between) between(round);
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

void RaceGround::expect(const std::string& what, bool holds, const std::string& otherwise) {
  (holds ? passed_ : failed_)++;
  std::cout << (holds ? "ok   " : "FAIL ") << what << (holds ? "" : ": " + otherwise) << "\n";
}

uint64_t RaceGround::inconsistencies() {
  std::map<uint32_t, std::pair<uint64_t, uint64_t>> counted;
  uint64_t wrong = 0;
  for (const xlb_flow& flow : kernel_.flows()) {
    if (flow.key != 0 && flow.value == 0) wrong++;
    if (flow.key == 0 && flow.value != 0) wrong++;
    if (flow.value == 0) continue;
    auto& load = counted[XLB_FLOW_REAL_SERVER(flow.value)];
    (XLB_FLOW_STATE(flow.value) == XLB_FLOW_ESTABLISHED ? load.first : load.second)++;
  }
  for (uint32_t i = 0; i < kRealServers; i++) {
    const xlb_load& load = kernel_.loads()[i];
    const auto& want = counted[i];
    if (load.active != want.first || load.inactive != want.second) wrong++;
  }
  return wrong;
}

void RaceGround::clear() {
  std::memset(kernel_.flows().data(), 0, kernel_.flows().size_bytes());
  std::memset(kernel_.loads().data(), 0, kernel_.loads().size_bytes());
}

}  // namespace xlb::oracle
