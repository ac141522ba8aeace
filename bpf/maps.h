/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The maps and constants the program is given; what they hold is told in xlb/abi.h. */
#ifndef XLB_MAPS_H
#define XLB_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <xlb/abi.h>

/* Set by the manager before loading. Masks: number of buckets - 1 of xlb_flows (at least two) and
 * xlb_persistence, each a power of two. Seed: places keys in buckets; random, so that nobody can
 * aim at one, and kept as long as the tables are. Clock: the kernel's tick count when
 * CLOCK_MONOTONIC was 0, and seconds per tick in units of 2^-32. */
const volatile __u32 xlb_flow_mask = 1;
const volatile __u32 xlb_client_mask = 0;
const volatile __u64 xlb_hash_seed = 0;
const volatile __u64 xlb_clock_epoch = 0;
const volatile __u64 xlb_clock_scale = 1;

#define XLB_ARRAY(name, value_type, count, flags)                                                  \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, flags);                                                          \
		__uint(max_entries, count);                                                        \
		__type(key, __u32);                                                                \
		__type(value, value_type);                                                         \
	} name SEC(".maps")

#define XLB_PER_CPU(name, value_type, count)                                                       \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                           \
		__uint(max_entries, count);                                                        \
		__type(key, __u32);                                                                \
		__type(value, value_type);                                                         \
	} name SEC(".maps")

#define XLB_HASH(name, map_type, key_type, value_type, count)                                      \
	struct {                                                                                   \
		__uint(type, map_type);                                                            \
		__uint(max_entries, count);                                                        \
		__type(key, key_type);                                                             \
		__type(value, value_type);                                                         \
	} name SEC(".maps")

XLB_ARRAY(xlb_service_displacements, __u32, XLB_SERVICE_BUCKETS, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_services, struct xlb_service, XLB_SERVICE_SLOTS, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_service_places, __u32, XLB_MAX_VIRTUAL_SERVERS, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_slots, __u32, XLB_SLOTS, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_schedulers, struct xlb_scheduler, XLB_MAX_VIRTUAL_SERVERS, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_interfaces, struct xlb_interface, XLB_INTERFACE_SLOTS, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_peer_filter, __u64, XLB_PEER_FILTER_WORDS, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_settings, struct xlb_settings, 1, BPF_F_MMAPABLE);
XLB_HASH(xlb_peers, BPF_MAP_TYPE_HASH, struct xlb_peer_key, __u8, XLB_MAX_PEERS);
XLB_HASH(xlb_ports, BPF_MAP_TYPE_DEVMAP_HASH, __u32, __u32, XLB_MAX_INTERFACES);
XLB_HASH(xlb_fragments, BPF_MAP_TYPE_LRU_HASH, struct xlb_fragment_key, struct xlb_fragment,
	 XLB_FRAGMENTS);

/* Their sizes are the manager's to set. */
XLB_ARRAY(xlb_real_servers, struct xlb_real_server, XLB_DEFAULT_REAL_SERVERS, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_loads, struct xlb_load, XLB_DEFAULT_REAL_SERVERS, BPF_F_MMAPABLE);
XLB_PER_CPU(xlb_traffic, struct xlb_traffic, XLB_DEFAULT_REAL_SERVERS);
XLB_ARRAY(xlb_flows, struct xlb_flow_bucket, 2, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_flow_addresses, struct xlb_client_address, 2 * XLB_FLOWS_PER_BUCKET, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_persistence, struct xlb_client_bucket, 1, BPF_F_MMAPABLE);
XLB_ARRAY(xlb_client_addresses, struct xlb_client_address, XLB_PERSISTENCE_PER_BUCKET,
	  BPF_F_MMAPABLE);

XLB_PER_CPU(xlb_unserved, struct xlb_traffic, XLB_MAX_VIRTUAL_SERVERS);
XLB_PER_CPU(xlb_verdicts, __u64, XLB_VERDICTS);
XLB_PER_CPU(xlb_icmp_state, struct xlb_icmp_state, 1);

#endif
