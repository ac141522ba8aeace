// One HTTP exchange without TLS on a socket of its own: what ten thousand checks a second need is a
// few system calls each. http_client.h says what holds for every exchange. Internal to io/probe.
#pragma once

#include <memory>

#include "io/probe/http_client.h"

namespace xlb {

std::unique_ptr<HttpExchange> start_plain_exchange(EventLoop& loop, HttpRequest request,
                                                   HttpCallback callback);

// A path or host that would end the request line early cannot be sent.
Result<void> check_sendable(const HttpRequest& request);

}  // namespace xlb
