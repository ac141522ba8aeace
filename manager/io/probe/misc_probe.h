// MISC_CHECK: a program of the user's, run off the loop under misc_timeout; its process group goes
// with it. Exit status 0 passes; with misc_dynamic 2 to 255 pass too and say a weight, the status
// less 2.
#pragma once

#include <memory>

#include "io/probe/probe.h"
#include "io/script.h"

namespace xlb {

std::unique_ptr<Probe> start_misc_probe(ScriptRunner& scripts, const CheckConfig& check,
                                        ProbeCallback callback);

// What an exit status means.
ProbeResult misc_result(const MiscCheck& misc, const ScriptRunner::Outcome& outcome);

}  // namespace xlb
