// The nftables table off the loop: one thread that makes the table hold what was last asked for and
// reads what it counted. libnftables can take seconds with thousands of rules; whatever is asked
// for meanwhile is done in one go after that. All calls and callbacks are the loop's.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "io/event_loop.h"
#include "io/nat_reader.h"
#include "io/nat_table.h"

namespace xlb {

class NatWorker {
 public:
  using Applied = std::function<void(const Result<void>&)>;
  using Reading = std::shared_ptr<const Result<NatReading>>;
  using Read = std::function<void(const Reading&)>;

  // `applied` is told the outcome of each change. Nothing is called after destruction.
  NatWorker(EventLoop& loop, std::unique_ptr<NatTable> table, Applied applied);
  ~NatWorker();
  NatWorker(const NatWorker&) = delete;
  NatWorker& operator=(const NatWorker&) = delete;

  // The two parts of the table's state. What a predecessor's table balances goes on until
  // set_balanced() says who balances now.
  void set_local(std::vector<LocalService> local, bool vips_on_loopback);
  void set_closed(std::vector<ClosedAddress> closed);
  void set_balanced(std::optional<ForwardingTable> balanced);
  // Whether a predecessor's table goes on until then.
  [[nodiscard]] bool holding() const { return holding_; }
  [[nodiscard]] bool vips_on_loopback() const { return state_.vips_on_loopback; }
  // Applies the state again although it did not change.
  void reassert();
  // Whether the last state asked for is in the kernel, or failed to be.
  [[nodiscard]] bool settled() const { return settled_ == asked_; }
  // One reading at a time: ignored while one is going on. A change comes first.
  void read(Read done);

  // Ends the thread and makes the table hold only the local delivery, or deletes it when there is
  // none. Nothing may be asked for after that.
  Result<void> finish();

 private:
  struct Work {
    std::optional<NatState> state;
    bool reassert = false;
    bool read = false;
  };

  void ask(bool reassert = false);
  void work();
  void read_table();
  void post_applied(Result<void> outcome, uint64_t number);
  void stop_thread();

  EventLoop& loop_;
  std::unique_ptr<NatTable> table_;  // the thread's, while it runs
  Applied applied_;
  Read read_done_;
  NatState state_;
  uint64_t asked_ = 0;
  uint64_t settled_ = 0;
  bool failed_ = false;   // the last change: the same state is worth another try
  bool holding_ = false;  // until set_balanced()
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what was posted

  std::mutex mutex_;
  std::condition_variable wake_;
  Work pending_;                 // under mutex_
  uint64_t pending_number_ = 0;  // under mutex_
  bool stopping_ = false;        // under mutex_
  std::thread thread_;
};

}  // namespace xlb
