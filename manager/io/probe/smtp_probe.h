// SMTP_CHECK: greeting, HELO and QUIT (core/smtp_dialogue.h) within one absolute deadline,
// connect_timeout, connecting included.
#pragma once

#include <memory>

#include "io/probe/probe.h"

namespace xlb {

std::unique_ptr<Probe> start_smtp_probe(EventLoop& loop, const CheckConfig& check,
                                        ProbeCallback callback);

}  // namespace xlb
