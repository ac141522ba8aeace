/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Both ends of a connection, whatever packet told of them, and the keys and hashes made of them. */
#ifndef XLB_CONNECTION_H
#define XLB_CONNECTION_H

#include <xlb/hash.h>

#include "maps.h"
#include "packet.h"

struct connection {
	struct address client;
	struct address server; /* the virtual server's */
	__be16 client_port;    /* 0 where a fragment does not tell */
	__be16 server_port;
	__u8 protocol;
	__u8 family;
};

static __always_inline struct connection connection_of(const struct packet *packet,
						       const __u32 family)
{
	return (struct connection){
		.client = packet_source(packet, family),
		.server = packet_destination(packet, family),
		.client_port = packet->ports->source,
		.server_port = packet->ports->destination,
		.protocol = packet->protocol,
		.family = family,
	};
}

static __always_inline bool hashed_key(const struct xlb_service *service, const __u32 family)
{
	return family == XLB_IPV6 || service->key.port == 0;
}

static __always_inline __u64 flow_key(const struct connection *connection,
				      const struct xlb_service *service, const __u32 family)
{
	if (hashed_key(service, family))
		return xlb_flow_key_hashed(connection->client.high, connection->client.low,
					   connection->client_port, connection->server_port,
					   service->id, xlb_hash_seed);
	return XLB_FLOW_KEY(connection->client.low, connection->client_port, service->id);
}

/* The first `bits` of an address, the rest 0. */
static __always_inline __u64 masked_word(__u64 word, __u32 bits)
{
	if (bits >= 64)
		return word;
	return bits == 0 ? 0 : word & bpf_cpu_to_be64(~0ULL << (64 - bits));
}

static __always_inline struct address masked(struct address address, __u32 prefix,
					     const __u32 family)
{
	if (family == XLB_IPV4) {
		__u32 mask = prefix >= 32 ? ~0U : prefix == 0 ? 0 : ~0U << (32 - prefix);

		return (struct address){0, address.low & bpf_htonl(mask)};
	}
	return (struct address){masked_word(address.high, prefix),
				masked_word(address.low, prefix > 64 ? prefix - 64 : 0)};
}

/* The key of the persistence table. */
static __always_inline __u64 client_key(struct address client, __u16 service_id, const __u32 family)
{
	if (family == XLB_IPV6)
		return xlb_flow_key_hashed(client.high, client.low, 0, 0, service_id,
					   xlb_hash_seed);
	return XLB_FLOW_KEY(client.low, 0, service_id);
}

static __always_inline struct address in_host_order(struct address address, const __u32 family)
{
	if (family == XLB_IPV4)
		return (struct address){0, bpf_ntohl((__u32)address.low)};
	return (struct address){bpf_be64_to_cpu(address.high), bpf_be64_to_cpu(address.low)};
}

/* What the virtual server's hash slots are chosen by. */
static __always_inline __u64 slot_hash(const struct connection *connection,
				       const struct xlb_service *service, const __u32 family)
{
	struct address server = in_host_order(connection->server, family);
	struct address client = {0, 0};
	__u16 client_port = 0;

	if (service->hash_input & XLB_HASH_SOURCE_ADDRESS)
		client = in_host_order(
			masked(connection->client, service->persistence_prefix, family), family);
	if (service->hash_input & XLB_HASH_SOURCE_PORT)
		client_port = bpf_ntohs(connection->client_port);
	return xlb_slot_hash(client.high, client.low, client_port, server.high, server.low,
			     bpf_ntohs(connection->server_port), connection->protocol);
}

#endif
