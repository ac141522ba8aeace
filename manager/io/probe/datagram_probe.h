// Checks that send one datagram and look at what comes back until their deadline: DNS_CHECK,
// UDP_CHECK, PING_CHECK. The socket is connected, so it hears nobody but the server, and an ICMP
// error that answers the datagram. A reply that is not one is passed over; so many of them end the
// attempt.
#pragma once

#include <memory>

#include "io/probe/probe.h"

namespace xlb {

std::unique_ptr<Probe> start_datagram_probe(EventLoop& loop, const CheckConfig& check,
                                            ProbeCallback callback);

}  // namespace xlb
