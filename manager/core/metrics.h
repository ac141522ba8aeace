// The status as OpenMetrics text (GET /metrics), version 1.0.0 of the format: for a monitoring
// system that asks again and again and computes rates itself. docs/status.md lists every metric;
// their names are a contract: added to, never renamed.
#pragma once

#include <string>
#include <string_view>

#include "core/status.h"

namespace xlb {

inline constexpr std::string_view kOpenMetricsType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

std::string open_metrics(const Status& status);

}  // namespace xlb
