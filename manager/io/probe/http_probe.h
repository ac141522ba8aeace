// HTTP_GET and SSL_GET: every url's status must be an accepted one (200-299 unless the url says
// otherwise), then its body's MD5 must be the url's digest, if it has one, then its regex must
// match. The status is tested first, so an error page never passes for its body. Without digest and
// regex the answer is decided by its headers and the body is not read.
#pragma once

#include <memory>

#include "io/probe/probe.h"

namespace xlb {

std::unique_ptr<Probe> start_http_probe(ProbeContext& context, const CheckConfig& check,
                                        ProbeCallback callback);

}  // namespace xlb
