/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Whose packet is this: the virtual server it is for, the interface it is addressed to, the peer
 * that balanced it before. */
#ifndef XLB_LOOKUP_H
#define XLB_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

#include <xlb/hash.h>

#include "maps.h"
#include "packet.h"

/* The key has one place where it may be; NULL: it is not there. */
static __always_inline struct xlb_service *service_at(struct address address, __be16 port,
						      __u32 protocol, const __u32 family)
{
	__u32 kind = XLB_SERVICE_KIND(port, protocol, family);
	__u64 hash = xlb_service_hash(address.high, address.low, kind);
	__u32 bucket = xlb_service_bucket(hash);
	__u32 *displacement = bpf_map_lookup_elem(&xlb_service_displacements, &bucket);
	struct xlb_service *service;
	__u32 place;

	if (!displacement)
		return NULL;
	place = xlb_service_place(hash, *displacement);
	service = bpf_map_lookup_elem(&xlb_services, &place);
	if (!service || *(const __u32 *)&service->key.port != kind)
		return NULL;
	if (family == XLB_IPV4)
		return service->key.address[0] == (__u32)address.low ? service : NULL;
	return ((const __u64 *)service->key.address)[0] == address.high &&
			       ((const __u64 *)service->key.address)[1] == address.low
		       ? service
		       : NULL;
}

static __always_inline struct xlb_settings *settings(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&xlb_settings, &only);
}

static __always_inline struct xlb_service *find_service(struct address address, __be16 port,
							__u32 protocol, const __u32 family)
{
	struct xlb_service *service = service_at(address, port, protocol, family);
	struct xlb_settings *set;

	if (service)
		return service;
	set = settings();
	return set && set->any_port ? service_at(address, 0, protocol, family) : NULL;
}

static __always_inline struct xlb_interface *interface_at(__u32 ifindex)
{
#pragma unroll
	for (int i = 0; i < XLB_INTERFACE_PROBES; i++) {
		__u32 place = (ifindex + i) % XLB_INTERFACE_SLOTS;
		struct xlb_interface *interface = bpf_map_lookup_elem(&xlb_interfaces, &place);

		if (interface && interface->ifindex == ifindex)
			return interface;
	}
	return NULL;
}

/* 00:00:5e:00:01:VRID, IPv6 00:00:5e:00:02:VRID: of a virtual router whose master is this host. */
static __always_inline bool is_virtual_mac(const struct xlb_interface *interface, const __u8 *mac)
{
	const __u16 *begin = (const void *)mac;
	__u32 version = mac[4] - 1;
	__u32 vrid = mac[5];

	if (begin[0] != 0 || begin[1] != bpf_htons(0x5e00) || version > 1)
		return false;
	return interface->virtual_routers[version][vrid / 32] >> vrid % 32 & 1;
}

/* XDP also sees what a switch floods and what others broadcast: not ours to forward. */
static __always_inline bool addressed_to_interface(const struct packet *packet, __u32 ifindex)
{
	const __u8 *destination = packet->ethernet->h_dest;
	struct xlb_interface *interface = interface_at(ifindex);

	return interface &&
	       (mac_equal(destination, interface->mac) || is_virtual_mac(interface, destination));
}

/* Balanced already, by another director: balancing it again could send it to and fro forever. */
static __always_inline bool from_peer(const struct packet *packet, __u32 service_id)
{
	const __u16 *source = (const void *)packet->ethernet->h_source;
	__u32 bit = xlb_peer_bit((__u32)source[2] << 16 | source[1]);
	__u32 word = bit / 64;
	__u64 *filter = bpf_map_lookup_elem(&xlb_peer_filter, &word);
	struct xlb_peer_key key;

	if (!filter || !(*filter >> bit % 64 & 1))
		return false;
	__builtin_memcpy(key.mac, packet->ethernet->h_source, sizeof(key.mac));
	key.service_id = (__u16)service_id;
	return bpf_map_lookup_elem(&xlb_peers, &key) != NULL;
}

#endif
