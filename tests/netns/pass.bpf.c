/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Lets every frame through. A veth delivers frames sent by XDP only when its peer has a native
 * program too. */
#include <linux/bpf.h>

__attribute__((section("xdp.frags"), used)) int pass(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

char _license[] __attribute__((section("license"), used)) = "Dual MIT/GPL";
