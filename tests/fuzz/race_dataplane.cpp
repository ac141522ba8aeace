// Several CPUs in one bucket, one flow, one service, one persistent client:
//
//   race_dataplane [--rounds N]
//
// What must hold once they are done:
//   - every packet, connection and turn of the ring is counted;
//   - a real server's load is the number of entries that name it;
//   - no entry is left half filled, and none names a key or a real server that nobody sent;
//   - a live connection keeps its entry and its real server whatever flood meets its bucket;
//   - a FIN on one CPU never undoes a RST on another;
//   - two CPUs that open one connection at the same time may leave one entry each, and send a
//     client's first connections to one real server each: never more than there are CPUs.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <string>

#include "race_ground.h"
#include "random.h"

namespace xlb::oracle {
namespace {

class Race : RaceGround {
 public:
  explicit Race(uint32_t rounds) : RaceGround(rounds) {}

  bool run() {
    flood_beside_a_live_connection();
    empty_bucket();
    same_connection();
    open_and_reset();
    whole_lives();
    fin_against_rst();
    one_client();
    std::printf("%zu passed, %zu failed (%u CPUs, %u rounds)\n", passed_, failed_, cpus_, rounds_);
    return failed_ == 0;
  }

 private:
  void flood_beside_a_live_connection() {
    Tables tables = tables_;
    const Flow live = flows_.front();
    const uint32_t home = home_bucket(live.key, kFlowBuckets);
    const xlb_flow entry{live.key, XLB_FLOW_VALUE(kLiveServer, kNow, XLB_FLOW_ESTABLISHED)};
    tables.flows[home * XLB_FLOWS_PER_BUCKET + 2] = entry;
    tables.loads[kLiveServer].active = 1;
    kernel_.write(tables);
    const uint32_t count = rounds_ * 10;
    const Bytes ack = packet(live.port, kAck);
    together(1, [&](uint32_t cpu, uint32_t) {
      for (uint32_t i = 0; i < count; i++) {
        const size_t flow = 1 + (size_t{i} * cpus_ + cpu) % (flows_.size() - 1);
        kernel_.repeat(packet(flows_[flow].port, kSyn), 1);
        if (i % 4 == 0) kernel_.repeat(ack, 1);
      }
    });
    Tables after = tables;
    kernel_.read(after);
    const uint64_t acks = uint64_t{cpus_} * ((count + 3) / 4);
    const uint64_t syns = uint64_t{cpus_} * count;
    uint64_t connections = 0;
    for (uint32_t i = 1; i <= kWebServers; i++)
      connections += after.traffic[i].connections;
    // A SYN whose flow is still there is not a new connection: the flood may come round.
    expect("flood: every packet is counted", after.verdicts[XLB_PASS_LOCAL] == acks + syns,
           std::to_string(after.verdicts[XLB_PASS_LOCAL]) + " of " + std::to_string(acks + syns));
    expect("flood: the ring turns once for each connection",
           after.schedulers[kWeb].cursor == connections,
           std::to_string(after.schedulers[kWeb].cursor) + " turns, " +
               std::to_string(connections) + " connections");
    expect("flood: the live connection keeps its real server",
           after.traffic[kLiveServer].packets == acks,
           std::to_string(after.traffic[kLiveServer].packets) + " of " + std::to_string(acks));
    expect("flood: ... and its entry",
           same_bytes(after.flows[home * XLB_FLOWS_PER_BUCKET + 2], entry), "it is another");
    expect("flood: loads are the entries", inconsistencies() == 0,
           std::to_string(inconsistencies()) + " differ");
    expect("flood: every entry is one that was sent", strangers() == 0,
           std::to_string(strangers()) + " are not");
  }

  uint64_t strangers() {
    uint64_t count = 0;
    for (const xlb_flow& flow : kernel_.flows()) {
      if (flow.key == 0) continue;
      const auto sent = [&](const Flow& one) { return one.key == flow.key; };
      const uint32_t real_server = XLB_FLOW_REAL_SERVER(flow.value);
      if (std::none_of(flows_.begin(), flows_.end(), sent) ||
          ((real_server < 1 || real_server > kWebServers) && real_server != kLiveServer))
        count++;
    }
    return count;
  }

  // Every round begins with eight free places; each CPU opens its own connections.
  void empty_bucket() {
    kernel_.write(tables_);
    uint64_t wrong = 0;
    uint64_t missing = 0;
    constexpr uint32_t kEach = 2;
    together(
        rounds_,
        [&](uint32_t cpu, uint32_t round) {
          for (uint32_t i = 0; i < kEach; i++) {
            const size_t flow = (size_t{round} * 8 + cpu * kEach + i) % flows_.size();
            kernel_.repeat(packet(flows_[flow].port, kSyn), 1);
          }
        },
        [&](uint32_t) {
          wrong += inconsistencies();
          uint32_t entries = 0;
          for (const xlb_flow& flow : kernel_.flows())
            entries += flow.value != 0 ? 1 : 0;
          if (entries != std::min<uint32_t>(cpus_ * kEach, 8)) missing++;
          clear();
        });
    expect("free places: loads are the entries", wrong == 0, std::to_string(wrong) + " differ");
    // Three attempts lost in a row cost an entry, never a packet.
    expect("free places: each connection is remembered, but one in a thousand rounds",
           missing <= rounds_ / 1000, std::to_string(missing) + " rounds without");
  }

  void same_connection() {
    kernel_.write(tables_);
    uint64_t wrong = 0;
    uint64_t twice = 0;
    uint64_t most = 0;
    together(
        rounds_,
        [&](uint32_t, uint32_t round) {
          kernel_.repeat(packet(flows_[round % flows_.size()].port, kSyn), 1);
        },
        [&](uint32_t round) {
          const uint64_t key = flows_[round % flows_.size()].key;
          const auto is_it = [&](const xlb_flow& flow) { return flow.key == key; };
          const auto entries = static_cast<uint64_t>(
              std::count_if(kernel_.flows().begin(), kernel_.flows().end(), is_it));
          twice += entries > 1 ? 1 : 0;
          most = std::max(most, entries);
          wrong += inconsistencies() + (entries == 0 ? 1 : 0);
          clear();
        });
    std::cout << "     the same connection on every CPU at once: more than one entry in " << twice
              << " of " << rounds_ << " rounds\n";
    expect("same connection: at most one entry for each CPU", most <= cpus_, std::to_string(most));
    expect("same connection: loads are the entries", wrong == 0, std::to_string(wrong) + " differ");
  }

  // One entry, replaced and changed as fast as can be.
  void open_and_reset() {
    kernel_.write(tables_);
    const uint16_t port = flows_.front().port;
    uint64_t wrong = 0;
    together(
        std::max(rounds_ / 50, 20U),
        [&](uint32_t cpu, uint32_t) {
          kernel_.repeat(packet(port, cpu % 2 == 0 ? kRst : kSyn), 5000);
        },
        [&](uint32_t) { wrong += inconsistencies(); });
    Tables after = tables_;
    kernel_.read(after);
    uint64_t connections = 0;
    for (uint32_t i = 1; i <= kWebServers; i++)
      connections += after.traffic[i].connections;
    expect("open and reset: loads are the entries", wrong == 0, std::to_string(wrong) + " differ");
    expect("open and reset: the ring turns once for each connection",
           after.schedulers[kWeb].cursor == connections,
           std::to_string(after.schedulers[kWeb].cursor) + " turns, " +
               std::to_string(connections) + " connections");
  }

  // One connection, everything that can happen to it, on every CPU in an order of its own.
  void whole_lives() {
    kernel_.write(tables_);
    const std::array<Bytes, 5> packets{
        packet(flows_.front().port, kSyn), packet(flows_.front().port, kAck),
        packet(flows_.front().port, kFinAck), packet(flows_.front().port, kRst),
        packet(flows_.front().port, kSyn)};
    together(1, [&](uint32_t cpu, uint32_t) {
      Random random(cpu);
      for (uint32_t i = 0; i < rounds_ * 40; i++)
        kernel_.repeat(random.pick(packets), 1);
    });
    expect("whole lives: loads are the entries", inconsistencies() == 0,
           std::to_string(inconsistencies()) + " differ");
  }

  void fin_against_rst() {
    kernel_.write(tables_);
    const Flow flow = flows_.front();
    const size_t place = size_t{home_bucket(flow.key, kFlowBuckets)} * XLB_FLOWS_PER_BUCKET;
    const auto establish = [&] {
      clear();
      kernel_.flows()[place] = {flow.key, XLB_FLOW_VALUE(1, kNow, XLB_FLOW_ESTABLISHED)};
      kernel_.loads()[1].active = 1;
    };
    establish();
    uint64_t undone = 0;
    uint64_t wrong = 0;
    together(
        rounds_,
        [&](uint32_t cpu, uint32_t) {
          kernel_.repeat(packet(flow.port, cpu % 2 == 0 ? kRst : kFinAck), 1);
        },
        [&](uint32_t) {
          if (XLB_FLOW_STATE(kernel_.flows()[place].value) != XLB_FLOW_CLOSE) undone++;
          wrong += inconsistencies();
          establish();
        });
    expect("FIN against RST: the RST stays", undone == 0, std::to_string(undone) + " undone");
    expect("FIN against RST: loads are the entries", wrong == 0, std::to_string(wrong) + " differ");
  }

  void one_client() {
    kernel_.write(tables_);
    uint64_t scattered = 0;
    uint64_t most = 0;
    uint64_t entries_most = 0;
    const uint32_t rounds = rounds_ / 4;
    Tables before = tables_;
    constexpr uint32_t kEach = 6;
    together(
        rounds,
        [&](uint32_t cpu, uint32_t round) {
          for (uint32_t i = 0; i < kEach; i++) {
            const auto port =
                static_cast<uint16_t>(1024 + (round * cpus_ * kEach + cpu * kEach + i) % 60000);
            kernel_.repeat(packet(port, kSyn, kStickyPort), 1);
          }
        },
        [&](uint32_t) {
          Tables after = tables_;
          kernel_.read(after);
          uint32_t servers = 0;
          uint64_t connections = 0;
          uint64_t beside = UINT64_MAX;
          for (uint32_t i = kStickyFirst; i < kStickyFirst + 4; i++) {
            const uint64_t more = after.traffic[i].connections - before.traffic[i].connections;
            servers += more != 0 ? 1 : 0;
            connections += more;
            beside = std::min(beside, uint64_t{cpus_} * kEach - more);
          }
          // All but the first of each other CPU went where the client is.
          if (beside > cpus_ - 1 || connections != uint64_t{cpus_} * kEach) scattered++;
          most = std::max<uint64_t>(most, servers);
          const auto used = [](const xlb_client& client) { return client.key != 0; };
          entries_most = std::max<uint64_t>(
              entries_most, static_cast<uint64_t>(std::count_if(kernel_.clients().begin(),
                                                                kernel_.clients().end(), used)));
          before = after;
          clear();
          std::memset(kernel_.clients().data(), 0, kernel_.clients().size_bytes());
        });
    std::cout << "     one client on every CPU at once: at most " << most << " real servers, "
              << entries_most << " entries\n";
    expect("one client: at most one real server for each CPU", most <= cpus_, std::to_string(most));
    expect("one client: at most one entry for each CPU", entries_most <= cpus_,
           std::to_string(entries_most));
    expect("one client: only first connections go elsewhere, all are counted", scattered == 0,
           std::to_string(scattered) + " rounds");
  }
};

}  // namespace
}  // namespace xlb::oracle

int main(int argc, char** argv) {
  try {
    const uint32_t rounds = argc == 3 && std::string(argv[1]) == "--rounds"
                                ? static_cast<uint32_t>(std::stoul(argv[2]))
                                : 5000;
    return xlb::oracle::Race(rounds).run() ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 2;
  }
}
