/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Telling a sender why its packet goes no further: time exceeded, fragmentation needed or packet
 * too big (RFC 792, RFC 1191, RFC 4443). The frame becomes the answer: it is cut to what is quoted
 * and gets new headers in front. At most xlb_settings.icmp_errors_per_second of each CPU.
 */
#ifndef XLB_ICMP_ANSWER_H
#define XLB_ICMP_ANSWER_H

#include <stdbool.h>

#include "entry.h"
#include "lookup.h"
#include "maps.h"
#include "packet.h"
#include "rewrite.h"

enum {
	QUOTED_BYTES = 128, /* from the IP header on, at most; a multiple of 4 */
	ICMP_BYTES = 8,
	ICMP_TYPE_UNREACHABLE = 3,
	ICMP_TYPE_TIME_EXCEEDED = 11,
	ICMP6_TYPE_TOO_BIG = 2,
	ICMP6_TYPE_TIME_EXCEEDED = 3,
};

static __always_inline bool icmp_budget_left(struct xlb_icmp_state *state)
{
	const struct xlb_settings *set = settings();
	__u32 now_s = clock_s();

	if (state->second != now_s) {
		state->second = now_s;
		state->sent = 0;
	}
	if (!set || state->sent >= set->icmp_errors_per_second)
		return false;
	state->sent++;
	return true;
}

/* The sum of `bytes` (a multiple of 4) from `start` on, as far as the frame goes. */
static __always_inline __u64 sum_quoted(const void *start, const void *end, __u32 bytes)
{
	const __u32 *word = start;
	__u64 sum = 0;

	for (__u32 i = 0; i < QUOTED_BYTES / 4; i++) {
		if (i >= bytes / 4 || (const void *)(word + i + 1) > end)
			break;
		sum += word[i];
	}
	return sum;
}

struct icmp_message {
	__u8 type;
	__u8 code;
	__be16 check;
	__be32 rest; /* the MTU, where there is one */
};

static __always_inline bool write_answer_v4(struct xdp_md *ctx, const struct xlb_icmp_state *answer)
{
	const __u32 more = sizeof(struct iphdr) + ICMP_BYTES;
	struct iphdr *ip = move_link_header(ctx, answer->macs, answer->link_bytes, more,
					    more + sizeof(struct iphdr), XLB_IPV4);
	struct icmp_message *icmp = (void *)(ip + 1);
	__u64 sum;

	if (!ip)
		return false;
	icmp->type = answer->mtu ? ICMP_TYPE_UNREACHABLE : ICMP_TYPE_TIME_EXCEEDED;
	icmp->code = answer->mtu ? 4 : 0;
	icmp->check = 0;
	icmp->rest = bpf_htonl(answer->mtu);
	sum = sum_words(icmp, ICMP_BYTES);
	sum += sum_quoted(icmp + 1, (void *)(long)ctx->data_end, answer->quoted_bytes);
	icmp->check = folded(sum);
	write_ipv4(ip, more + answer->quoted_bytes, 0, IPPROTO_ICMP, 0, answer->from[0],
		   answer->to[0]);
	return true;
}

static __always_inline bool write_answer_v6(struct xdp_md *ctx, const struct xlb_icmp_state *answer)
{
	const __u32 more = sizeof(struct ipv6hdr) + ICMP_BYTES;
	struct ipv6hdr *ip6 = move_link_header(ctx, answer->macs, answer->link_bytes, more,
					       more + sizeof(struct ipv6hdr), XLB_IPV6);
	struct icmp_message *icmp = (void *)(ip6 + 1);
	__u64 sum;

	if (!ip6)
		return false;
	*(__be32 *)ip6 = bpf_htonl(6U << 28);
	ip6->payload_len = bpf_htons(ICMP_BYTES + answer->quoted_bytes);
	ip6->nexthdr = IPPROTO_ICMPV6;
	ip6->hop_limit = 255;
	__builtin_memcpy(&ip6->saddr, answer->from, 16);
	__builtin_memcpy(&ip6->daddr, answer->to, 16);
	icmp->type = answer->mtu ? ICMP6_TYPE_TOO_BIG : ICMP6_TYPE_TIME_EXCEEDED;
	icmp->code = 0;
	icmp->check = 0;
	icmp->rest = bpf_htonl(answer->mtu);
	sum = sum_words(icmp, ICMP_BYTES);
	sum += sum_words(answer->from, 16) + sum_words(answer->to, 16);
	sum += bpf_htons(ICMP_BYTES + answer->quoted_bytes) + bpf_htons(IPPROTO_ICMPV6);
	sum += sum_quoted(icmp + 1, (void *)(long)ctx->data_end, answer->quoted_bytes);
	icmp->check = folded(sum);
	return true;
}

/* An answer is for one host (RFC 1812 4.3.2.7, RFC 4443 2.4 e): the unspecified address, multicast,
 * and in IPv4 "this network", loopback, class E and broadcast are none. */
static __always_inline bool is_one_host_v4(__be32 address)
{
	const __u32 first = bpf_ntohl(address) >> 24;

	return first && first != 127 && first < 224;
}

static __always_inline bool is_one_host_v6(const __be32 address[4])
{
	return (address[0] | address[1] | address[2] | address[3]) &&
	       bpf_ntohl(address[0]) >> 24 != 0xff;
}

static __always_inline bool prepare_answer(struct xdp_md *ctx, __u64 located,
					   struct xlb_icmp_state *answer, const __u32 family)
{
	const struct xlb_interface *interface = interface_at(ctx->ingress_ifindex);
	struct packet packet;
	__u32 ip_bytes;

	if (!interface || !packet_open(ctx, located, &packet, family))
		return false;
	__builtin_memcpy(answer->macs, packet.ethernet->h_source, 6);
	__builtin_memcpy(answer->macs + 6, packet.ethernet->h_dest, 6);
	answer->link_bytes = LOCATED_NETWORK(located);
	ip_bytes = packet_ip_bytes(&packet, family);
	answer->quoted_bytes = (ip_bytes < QUOTED_BYTES ? ip_bytes : QUOTED_BYTES) & ~3U;
	if (family == XLB_IPV4) {
		answer->to[0] = packet.ip->saddr;
		answer->from[0] = interface->address;
		return answer->from[0] && is_one_host_v4(answer->to[0]);
	}
	__builtin_memcpy(answer->to, &packet.ip6->saddr, 16);
	__builtin_memcpy(answer->from, interface->address6, 16);
	return (answer->from[0] | answer->from[1] | answer->from[2] | answer->from[3]) &&
	       is_one_host_v6(answer->to);
}

/* Makes the frame an answer to its sender: an enum xlb_verdict. `mtu` is what fits, 0 for time
 * exceeded. Not static, so that the verifier checks it once. */
__noinline int icmp_answer(struct xdp_md *ctx, __u64 located, __u32 mtu)
{
	const int sent = mtu ? XLB_TX_TOO_BIG : XLB_TX_TIME_EXCEEDED;
	const int dropped = mtu ? XLB_DROP_TOO_BIG : XLB_DROP_TTL;
	const __u32 family = LOCATED_FAMILY(located);
	__u32 more, only = 0;
	struct xlb_icmp_state *answer = bpf_map_lookup_elem(&xlb_icmp_state, &only);
	int excess;

	if (!answer)
		return dropped;
	answer->mtu = mtu;
	if (!(family == XLB_IPV6 ? prepare_answer(ctx, located, answer, XLB_IPV6)
				 : prepare_answer(ctx, located, answer, XLB_IPV4)) ||
	    !icmp_budget_left(answer))
		return dropped;
	excess = (int)bpf_xdp_get_buff_len(ctx) - (int)(answer->link_bytes + answer->quoted_bytes);
	if (excess > 0 && bpf_xdp_adjust_tail(ctx, -excess))
		return dropped;
	more = ICMP_BYTES + (family == XLB_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	if (bpf_xdp_adjust_head(ctx, -(int)more))
		return dropped;
	return (family == XLB_IPV6 ? write_answer_v6(ctx, answer) : write_answer_v4(ctx, answer))
		       ? sent
		       : dropped;
}

#endif
