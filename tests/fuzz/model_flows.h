// The model's flow and persistence tables: buckets of entries, who gives way in a full one.
#pragma once

#include <cstddef>
#include <optional>

#include "model_select.h"

namespace xlb::oracle {

// Place of a flow's entry that has not expired.
std::optional<size_t> find_flow(const Tables& tables, uint64_t key, uint32_t now_s);
// False: every place belongs to a live flow.
bool insert_flow(Tables& tables, const xlb_service& service, const Connection& connection,
                 uint32_t real_server, uint32_t state, uint32_t now_s);
void note_packet(Tables& tables, size_t place, const Parsed& parsed, uint32_t now_s);
void forget_flow(Tables& tables, size_t place);

// Real server index of a client's entry that has not expired, 0: none.
uint32_t find_client(const Tables& tables, uint64_t key, uint32_t timeout_s, uint32_t now_s);
// False: every place is being changed by somebody.
bool note_client(Tables& tables, const xlb_service& service, const Connection& connection,
                 uint32_t real_server, uint32_t now_s);

}  // namespace xlb::oracle
