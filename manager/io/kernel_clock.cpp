#include "io/kernel_clock.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <memory>

#include "clock.skel.h"

namespace xlb {
namespace {

constexpr int64_t kNanoseconds = 1'000'000'000;

int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * kNanoseconds + time.tv_nsec;
}

Result<uint64_t> read_ticks(int program) {
  std::array<uint64_t, 8> packet{};  // a frame of 64 bytes
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet.data(), .data_out = packet.data(),
              .data_size_in = sizeof packet, .data_size_out = sizeof packet, .repeat = 1);
  const int failed = bpf_prog_test_run_opts(program, &options);
  if (failed != 0) return fail_errno(failed, "cannot read the kernel's tick count");
  return packet[0];
}

}  // namespace

Result<KernelClock> read_kernel_clock() {
  const std::unique_ptr<clock_bpf, decltype(&clock_bpf__destroy)> skeleton(
      clock_bpf__open_and_load(), &clock_bpf__destroy);
  if (!skeleton) return fail_errno(errno, "cannot load the program that reads the tick count");
  // The coarse clocks advance by one tick at a time.
  timespec resolution{};
  timespec now{};
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) != 0 ||
      clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
    return fail_errno(errno, "cannot read the monotonic clock");
  }
  const int64_t tick = nanoseconds(resolution);
  if (tick <= 0) return fail("cannot tell the kernel's tick: its length is {} ns", tick);
  const auto ticks = read_ticks(bpf_program__fd(skeleton->progs.read_ticks));
  if (!ticks) return ticks.error();
  const auto elapsed = static_cast<uint64_t>(nanoseconds(now) / tick);
  // A tick is at most 10 ms: no overflow.
  const int64_t scale = ((tick << 32) + kNanoseconds / 2) / kNanoseconds;
  return KernelClock{*ticks - elapsed, static_cast<uint64_t>(scale)};
}

}  // namespace xlb
