// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Gives the program under test one frame after the other: undoes what the last run changed, writes
 * the next client's address and port into the frame and jumps into the program. What this costs is
 * the same for every program, and so vanishes in the difference to the empty one. It is loaded once
 * for each program and frame: so the jump is direct, and what never changes is a constant.
 */
#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { HEAD_BYTES = 64, CLIENT_BITS = 22, PORT_MASK = 0x3ff };

/* ---- the frame; offsets in bytes, 0: there is no such field ---- */
const volatile __u32 frame_bytes = HEAD_BYTES;
const volatile __u8 head[HEAD_BYTES] = {};
const volatile __u32 client_at = 0; /* IPv4 address, or the last four bytes of an IPv6 one */
const volatile __u32 port_at = 0;
const volatile __u32 server_at = 0;
const volatile __u32 ip_check_at = 0; /* covers both addresses */
const volatile __u32 transport_check_at = 0;
const volatile __u32 transport_check_covers_addresses = 0;
/* What varies, in host order: first of its kind. Sums: of all that does not vary, folded. */
const volatile __u32 first_client = 0;
const volatile __u32 first_port = 0;
const volatile __u32 first_server = 0;
const volatile __u32 servers = 1;
const volatile __u32 ip_sum = 0;
const volatile __u32 transport_sum = 0;
const volatile __u32 live = 0; /* frames are really sent: the kernel gives a fresh one each time */

/* ---- the order of flows ---- */
const volatile __u32 flow_mask = 0; /* number of flows - 1, a power of two less one */
__u32 in_turn = 0;                  /* 1: each once, in a fixed order; 0: at random */
__u32 turn = 0;
__u32 random_state = 2463534242;

/* ---- where the frame began before the first run ---- */
__u32 rewound = 0;
__u64 first_byte = 0;
__u64 end_byte = 0;

__u64 drained = 0;

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __uint(key_size, 4);
  __uint(value_size, 4);
} jump SEC(".maps");

/* Always one call to adjust_head, so that programs with and without encapsulation pay it alike. */
static __always_inline void rewind_frame(struct xdp_md* ctx) {
  __u64 begin = *(volatile __u32*)&ctx->data, end = *(volatile __u32*)&ctx->data_end;

  if (!rewound) {
    rewound = 1;
    first_byte = begin;
    end_byte = end;
  }
  bpf_xdp_adjust_head(ctx, (int)(first_byte - begin));
  if (end != end_byte) bpf_xdp_adjust_tail(ctx, (int)(end_byte - end));
}

/* Stores lie on the headers' own fields (IP begins at 14): no later load straddles two of them. */
static __always_inline void restore_head(void* frame) {
  *(__u16*)frame = *(const volatile __u16*)head;
#pragma unroll
  for (int at = 2; at < HEAD_BYTES - 2; at += 4)
    *(__u32*)(frame + at) = *(const volatile __u32*)(head + at);
  *(__u16*)(frame + HEAD_BYTES - 2) = *(const volatile __u16*)(head + HEAD_BYTES - 2);
}

/* Both orders are always computed: the same cost in the measured and the opening runs. */
static __always_inline __u32 next_flow(void) {
  __u32 random = random_state, step = turn++ * 0x9e3779b1;

  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  random_state = random;
  /* one to one on the numbers below flow_mask + 1 */
  step &= flow_mask;
  step ^= step >> 7;
  step *= 0x85ebca6b;
  return (in_turn ? step : random) & flow_mask;
}

static __always_inline __u32 folded(__u32 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __u32 halves(__u32 word) {
  return (word & 0xffff) + (word >> 16);
}

/* 22 bits of the flow's number are in the address, 10 in the port: no two flows are alike. */
static __always_inline void write_flow(void* frame, __u32 flow) {
  __u32 low = flow & ((1 << CLIENT_BITS) - 1), high = flow >> CLIENT_BITS;
  __u32 mixed = flow << (32 - CLIENT_BITS);
  __u32 client = first_client + low;
  __u32 port = first_port + ((high ^ ((mixed * 0x9e3779b1) >> CLIENT_BITS)) & PORT_MASK);
  __u32 server = first_server + (__u32)((__u64)(mixed * 0x85ebca6b) * servers >> 32);

  if (client_at) *(__u32*)(frame + client_at) = bpf_htonl(client);
  if (port_at) *(__u16*)(frame + port_at) = bpf_htons(port);
  if (server_at) *(__u32*)(frame + server_at) = bpf_htonl(server);
  if (ip_check_at)
    *(__u16*)(frame + ip_check_at) = bpf_htons(~folded(ip_sum + halves(client) + halves(server)));
  if (transport_check_at)
    *(__u16*)(frame + transport_check_at) = bpf_htons(
        ~folded(transport_sum + port +
                (transport_check_covers_addresses ? halves(client) + halves(server) : 0)));
}

SEC("xdp")
int wrap(struct xdp_md* ctx) {
  void* frame;

  if (!live) rewind_frame(ctx);
  frame = (void*)(long)ctx->data;
  if (frame + frame_bytes > (void*)(long)ctx->data_end) return XDP_ABORTED;
  restore_head(frame);
  write_flow(frame, next_flow());
  /* The frame was not written by the CPU just now when it comes from a device. */
  __sync_fetch_and_add(&drained, 1);
  bpf_tail_call_static(ctx, &jump, 0);
  return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
