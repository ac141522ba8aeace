/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Which real server takes the packet: the one of its flow, else of its client (persistence), else
 * the scheduler's. Only a packet that may open a connection is remembered.
 */
#ifndef XLB_SELECT_H
#define XLB_SELECT_H

#include <stdbool.h>

#include "connection.h"
#include "flow_table.h"
#include "maps.h"
#include "packet.h"
#include "persistence.h"
#include "schedule.h"
#include "verdict.h"

struct selection {
	__u32 index; /* 0: none */
	const struct xlb_real_server *real_server;
};

static __always_inline __u32 of_client(const struct request *request,
				       const struct xlb_service *service, __u32 purpose)
{
	__u32 index;

	if (!request->client_key)
		return 0;
	index = client_find(request->client_key, service->persistence_timeout_s, request->now_s);
	return usable(service->id, index, purpose) ? index : 0;
}

static __always_inline bool remember_flow(const struct request *request,
					  const struct xlb_service *service, __u32 index)
{
	struct flow_entry entry = {.key = request->flow_key,
				   .value = XLB_FLOW_VALUE(index, request->now_s, request->state),
				   .client = request->client,
				   .client_port = request->client_port,
				   .now_s = request->now_s,
				   .hashed = hashed_key(service, request->family)};

	return flow_remember(&entry);
}

/* The index of the real server for a packet that may open a connection; 0: none. One that cannot be
 * remembered must go where the packets that follow will: by the client or by the hash. Not static,
 * as the next: the verifier checks each once. */
__noinline int open_connection(const struct request *request, const struct xlb_service *service)
{
	__u32 index;
	bool kept;

	if (!request || !service)
		return 0;
	index = of_client(request, service, FOR_CONNECTIONS);
	if (!index)
		index = schedule(request->slot_hash, service);
	if (!index)
		return 0;
	kept = client_remember(request, service->persistence_prefix, index);
	if (!request->state || remember_flow(request, service, index))
		kept = true;
	if (!kept)
		index = by_hash(request->slot_hash, service, FOR_CONNECTIONS);
	if (index)
		count_connection(index);
	return (int)index;
}

/* For a packet that belongs to a connection which is not remembered. */
__noinline int join_connection(const struct request *request, const struct xlb_service *service)
{
	__u32 index;

	if (!request || !service)
		return 0;
	index = of_client(request, service, FOR_FLOWS);
	return index ? (int)index : (int)by_hash(request->slot_hash, service, FOR_FLOWS);
}

static __always_inline struct request request_of(const struct connection *connection,
						 const struct xlb_service *service, __u64 key,
						 __u32 now_s, const __u32 family)
{
	struct request request = {
		.flow_key = key,
		.slot_hash = slot_hash(connection, service, family),
		.client = connection->client,
		.now_s = now_s,
		.client_port = connection->client_port,
		.family = family,
	};

	if (service->persistence_timeout_s)
		request.client_key =
			client_key(masked(connection->client, service->persistence_prefix, family),
				   service->id, family);
	return request;
}

static __always_inline struct selection selected(const struct xlb_service *service, __u32 index,
						 __u32 purpose)
{
	const struct xlb_real_server *real_server = usable(service->id, index, purpose);

	return real_server ? (struct selection){index, real_server} : (struct selection){};
}

/* A SYN to a connection that has ended: the client uses its port again. */
static __always_inline bool begins_again(const struct packet *packet, __u64 flow_value)
{
	__u32 state = XLB_FLOW_STATE(flow_value);

	return (state == XLB_FLOW_FIN_WAIT || state == XLB_FLOW_CLOSE) && packet_is_syn(packet);
}

static __always_inline struct selection select_real_server(const struct packet *packet,
							   const struct xlb_service *service,
							   const struct connection *connection,
							   const __u32 family)
{
	const struct xlb_settings *set = settings();
	__u64 key = flow_key(connection, service, family);
	__u32 now_s = clock_s();
	struct request request;
	struct xlb_flow *flow;
	__u64 value = 0;

	if (!set)
		return (struct selection){};
	flow = flow_find(key, now_s, set->timeout_s, &value);
	if (flow && !begins_again(packet, value)) {
		struct selection selection =
			selected(service, XLB_FLOW_REAL_SERVER(value), FOR_FLOWS);

		if (selection.index) {
			flow_note(flow, key, value, now_s, packet->tcp_flags);
			return selection;
		}
		flow_forget(flow, value);
	}
	request = request_of(connection, service, key, now_s, family);
	if (!packet_opens(packet))
		return selected(service, join_connection(&request, service), FOR_FLOWS);
	if (packet->protocol == IPPROTO_TCP)
		request.state = XLB_FLOW_SYN_RECV;
	else if (!(service->flags & XLB_SERVICE_ONE_PACKET))
		request.state = XLB_FLOW_UDP_ONE;
	return selected(service, open_connection(&request, service), FOR_FLOWS);
}

/* For what tells of a connection without being part of it: nothing is opened, noted or counted. */
static __always_inline struct selection select_for_error(const struct xlb_service *service,
							 const struct connection *connection,
							 const __u32 family)
{
	const struct xlb_settings *set = settings();
	__u64 key = flow_key(connection, service, family);
	__u32 now_s = clock_s();
	struct selection selection;
	struct request request;
	__u64 value = 0;

	if (!set)
		return (struct selection){};
	if (flow_find(key, now_s, set->timeout_s, &value)) {
		selection = selected(service, XLB_FLOW_REAL_SERVER(value), FOR_FLOWS);
		if (selection.index)
			return selection;
	}
	request = request_of(connection, service, key, now_s, family);
	return selected(service, join_connection(&request, service), FOR_FLOWS);
}

#endif
