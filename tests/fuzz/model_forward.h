// What happens to a packet once its real server is chosen: the model of local delivery, direct
// routing, tunnels, and of the ICMP errors sent instead. RFC 1624, 2003, 2473, 792, 4443, 6935.
#pragma once

#include "model.h"
#include "model_parse.h"

namespace xlb::oracle {

Decision forward(Tables& tables, const Bytes& frame, const Parsed& parsed, uint32_t real_server,
                 const Arrival& arrival);

const xlb_interface* interface_at(const Tables& tables, uint32_t ifindex);

}  // namespace xlb::oracle
