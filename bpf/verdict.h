/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The only exit, and what is counted on the way: every packet by reason, balanced ones by server.
 */
#ifndef XLB_VERDICT_H
#define XLB_VERDICT_H

#include "maps.h"

static __always_inline void count_packet(void *map, __u32 index, __u32 ip_bytes)
{
	struct xlb_traffic *traffic = bpf_map_lookup_elem(map, &index);

	if (traffic) {
		traffic->packets++;
		traffic->bytes += ip_bytes;
	}
}

static __always_inline void count_connection(__u32 real_server)
{
	struct xlb_traffic *traffic = bpf_map_lookup_elem(&xlb_traffic, &real_server);

	if (traffic)
		traffic->connections++;
}

static __always_inline int verdict(enum xlb_verdict reason)
{
	__u32 index = reason;
	__u64 *packets = bpf_map_lookup_elem(&xlb_verdicts, &index);

	if (packets)
		++*packets;
	switch (reason) {
	case XLB_TX:
	case XLB_TX_TIME_EXCEEDED:
	case XLB_TX_TOO_BIG:
		return XDP_TX;
	case XLB_REDIRECT:
		return XDP_REDIRECT;
	case XLB_DROP_TTL:
	case XLB_DROP_TOO_BIG:
	case XLB_DROP_PEER:
	case XLB_DROP_MALFORMED:
	case XLB_DROP_FLAGS:
	case XLB_DROP_FRAGMENT:
	case XLB_DROP_NO_PORT:
	case XLB_DROP_NO_ROOM:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

#endif
