// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The network at the far end of the cable: takes what was forwarded and leaves the resolution of
 * addresses to its stack. A veth sends natively only when its other end has a native program.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int sink(struct xdp_md* ctx) {
  struct ethhdr* ethernet = (void*)(long)ctx->data;
  struct ipv6hdr* ip6 = (void*)(ethernet + 1);

  if ((void*)(ethernet + 1) > (void*)(long)ctx->data_end) return XDP_PASS;
  if (ethernet->h_proto == bpf_htons(ETH_P_IP)) return XDP_DROP;
  if (ethernet->h_proto == bpf_htons(ETH_P_IPV6) &&
      (void*)(ip6 + 1) <= (void*)(long)ctx->data_end && ip6->nexthdr != IPPROTO_ICMPV6)
    return XDP_DROP;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
