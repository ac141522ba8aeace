/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The maps and constants the program is given; what they hold is told in xlb/abi.h. */
#ifndef XLB_MAPS_H
#define XLB_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <xlb/abi.h>

/* Set by the manager before loading. Masks: number of buckets - 1 of xlb_flows (at least two) and
 * xlb_persistence, each a power of two. Seed: places keys in buckets; random, so that nobody can
 * aim at one, and kept as long as the tables are. */
const volatile __u32 xlb_flow_mask = 1;
const volatile __u32 xlb_client_mask = 0;
const volatile __u64 xlb_hash_seed = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XLB_MAX_VIRTUAL_SERVERS);
	__type(key, struct xlb_service_key);
	__type(value, struct xlb_service);
} xlb_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XLB_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} xlb_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XLB_MAX_VIRTUAL_SERVERS);
	__type(key, __u32);
	__type(value, struct xlb_scheduler);
} xlb_schedulers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XLB_MAX_REAL_SERVERS);
	__type(key, __u32);
	__type(value, struct xlb_real_server);
} xlb_real_servers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct xlb_flow_bucket);
} xlb_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xlb_client_bucket);
} xlb_persistence SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XLB_MAX_INTERFACES);
	__type(key, __u32);
	__type(value, struct xlb_interface);
} xlb_interfaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XLB_MAX_PEERS);
	__type(key, struct xlb_peer_key);
	__type(value, __u8);
} xlb_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, XLB_MAX_INTERFACES);
	__type(key, __u32);
	__type(value, __u32);
} xlb_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XLB_MAX_REAL_SERVERS);
	__type(key, __u32);
	__type(value, struct xlb_traffic);
} xlb_traffic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XLB_MAX_VIRTUAL_SERVERS);
	__type(key, __u32);
	__type(value, struct xlb_traffic);
} xlb_unserved SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XLB_VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} xlb_verdicts SEC(".maps");

#endif
