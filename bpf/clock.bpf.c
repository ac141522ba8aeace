// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Tells the manager the kernel's tick count, which user space cannot read: in the first 8 bytes of
 * the packet it is run with. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int read_ticks(struct xdp_md *ctx)
{
	__u64 *ticks = (void *)(long)ctx->data;

	if ((void *)(ticks + 1) <= (void *)(long)ctx->data_end)
		*ticks = bpf_jiffies64();
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
