/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The schedulers: which real server takes a connection that nothing else decides. As IPVS defines
 * them: rr and wrr by a ring that the manager laid out, lc, wlc, sed and nq by the connections each
 * has now, sh, mh and dh by a hash. */
#ifndef XLB_SCHEDULE_H
#define XLB_SCHEDULE_H

#include <stdbool.h>

#include "connection.h"
#include "maps.h"

/* How many slots are tried when the manager took a real server out but not yet off the slots. */
enum { SLOT_ATTEMPTS = 8 };

enum {
	FOR_FLOWS = XLB_RS_FORWARD,
	FOR_CONNECTIONS = XLB_RS_FORWARD | XLB_RS_ACCEPT,
};

/* A real server of the service that is fit for the purpose, else NULL. */
static __always_inline const struct xlb_real_server *usable(__u32 service_id, __u32 index,
							    __u32 purpose)
{
	const struct xlb_real_server *real_server = bpf_map_lookup_elem(&xlb_real_servers, &index);

	if (!real_server || (real_server->flags & purpose) != purpose ||
	    real_server->service_id != service_id)
		return NULL;
	return real_server;
}

/* The real server in a run of slots at `position`, if it is usable; else 0. */
static __always_inline __u32 slot_at(__u32 service_id, __u32 purpose, __u64 slots, __u32 position)
{
	__u32 place = XLB_SLOTS_OFFSET(slots) + position % XLB_SLOTS_LENGTH(slots);
	__u32 *slot = bpf_map_lookup_elem(&xlb_slots, &place);

	return slot && usable(service_id, *slot, purpose) ? *slot : 0;
}

/* The first usable after `position`; 0 when there is none. Not static, so that the verifier checks
 * it once. */
__noinline int next_usable_slot(__u32 service_id, __u32 purpose, __u64 slots, __u32 position)
{
	if (XLB_SLOTS_LENGTH(slots) == 0)
		return 0;
#pragma unroll
	for (int i = 1; i < SLOT_ATTEMPTS; i++) {
		__u32 index = slot_at(service_id, purpose, slots, position + i);

		if (index)
			return (int)index;
	}
	return 0;
}

/* The first usable from `position` on. */
static __always_inline __u32 usable_slot(__u32 service_id, __u32 purpose, __u64 slots,
					 __u32 position)
{
	__u32 index;

	if (XLB_SLOTS_LENGTH(slots) == 0)
		return 0;
	index = slot_at(service_id, purpose, slots, position);
	return index ? index : (__u32)next_usable_slot(service_id, purpose, slots, position);
}

/* Next in the ring (rr, wrr): each new connection takes one step. */
static __always_inline __u32 next_in_ring(__u32 service_id, __u64 ring)
{
	struct xlb_scheduler *scheduler = bpf_map_lookup_elem(&xlb_schedulers, &service_id);

	if (!scheduler)
		return 0;
	return usable_slot(service_id, FOR_CONNECTIONS, ring,
			   (__u32)__sync_fetch_and_add(&scheduler->cursor, 1));
}

struct comparison {
	__u64 slots;
	__u32 service_id;
	__u32 scheduling; /* enum xlb_scheduling */
	__u32 best;	  /* index; 0: none yet */
	__u32 best_weight;
	__u64 best_overhead;
};

/* What a connection costs at a real server with this load, as IPVS reckons. */
static __always_inline __u64 overhead_of(const struct xlb_load *load, __u32 scheduling)
{
	if (scheduling == XLB_SCHEDULE_LC || scheduling == XLB_SCHEDULE_WLC)
		return load->active * 256 + load->inactive;
	return load->active + 1;
}

/* bpf_loop's body: 1 ends the search. The first of equals wins. */
static long compare_next(__u64 i, struct comparison *comparison)
{
	__u32 place = XLB_SLOTS_OFFSET(comparison->slots) + (__u32)i;
	__u32 *slot = bpf_map_lookup_elem(&xlb_slots, &place);
	const struct xlb_real_server *real_server;
	const struct xlb_load *load;
	__u64 overhead;
	__u32 weight;

	if (!slot)
		return 1;
	real_server = usable(comparison->service_id, *slot, FOR_CONNECTIONS);
	load = bpf_map_lookup_elem(&xlb_loads, slot);
	if (!real_server || !load || real_server->weight == 0)
		return 0;
	if (comparison->scheduling == XLB_SCHEDULE_NQ && load->active == 0) {
		comparison->best = *slot;
		return 1;
	}
	overhead = overhead_of(load, comparison->scheduling);
	weight = comparison->scheduling == XLB_SCHEDULE_LC ? 1 : real_server->weight;
	if (comparison->best &&
	    comparison->best_overhead * weight <= overhead * comparison->best_weight)
		return 0;
	comparison->best = *slot;
	comparison->best_overhead = overhead;
	comparison->best_weight = weight;
	return 0;
}

/* lc, wlc, sed, nq. Not static, so that the verifier checks it once. */
__noinline int least_loaded(__u32 service_id, __u32 scheduling, __u64 slots)
{
	struct comparison comparison = {
		.slots = slots, .service_id = service_id, .scheduling = scheduling};

	bpf_loop(XLB_SLOTS_LENGTH(slots), compare_next, &comparison, 0);
	return (int)comparison.best;
}

static __always_inline __u32 by_hash(__u64 hash, const struct xlb_service *service, __u32 purpose)
{
	return usable_slot(service->id, purpose, service->hash, hash);
}

/* The real server of a new connection, 0: none. */
static __always_inline __u32 schedule(__u64 hash, const struct xlb_service *service)
{
	switch (service->scheduling) {
	case XLB_SCHEDULE_RING:
		return next_in_ring(service->id, service->ring);
	case XLB_SCHEDULE_HASH:
		return by_hash(hash, service, FOR_CONNECTIONS);
	default:
		return least_loaded(service->id, service->scheduling, service->ring);
	}
}

#endif
