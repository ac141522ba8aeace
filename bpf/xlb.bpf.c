// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "maps.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

SEC("xdp")
int xlb(struct xdp_md *ctx)
{
	__u32 slot = XLB_PASS_NOT_OURS;
	__u64 *counter = bpf_map_lookup_elem(&xlb_verdicts, &slot);

	(void)ctx;
	if (counter)
		++*counter;
	return XDP_PASS;
}
