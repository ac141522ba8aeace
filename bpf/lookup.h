/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Whose packet is this: the virtual server it is for, the interface it is addressed to, the peer
 * that balanced it before. */
#ifndef XLB_LOOKUP_H
#define XLB_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "maps.h"
#include "packet.h"

static __always_inline struct xlb_service *find_service(const struct packet *packet)
{
	struct xlb_service_key key = {
		.address = packet->ip->daddr,
		.port = packet->ports->destination,
		.protocol = packet->ip->protocol,
	};

	return bpf_map_lookup_elem(&xlb_services, &key);
}

/* XDP also sees what a switch floods and what others broadcast: not ours to forward. */
static __always_inline bool addressed_to_interface(const struct packet *packet, __u32 ifindex)
{
	struct xlb_interface *interface = bpf_map_lookup_elem(&xlb_interfaces, &ifindex);

	return interface && mac_equal(packet->ethernet->h_dest, interface->mac);
}

/* Balanced already, by another director: balancing it again could send it to and fro forever. */
static __always_inline bool from_peer(const struct packet *packet, __u32 service_id)
{
	struct xlb_peer_key key;

	__builtin_memcpy(key.mac, packet->ethernet->h_source, sizeof(key.mac));
	key.service_id = (__u16)service_id;
	return bpf_map_lookup_elem(&xlb_peers, &key) != NULL;
}

#endif
