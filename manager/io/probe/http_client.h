// HTTP GET on the event loop, also over TLS, for checks of real servers that may be broken or
// hostile. One request, one connection, one absolute deadline for connecting, the TLS handshake and
// the complete answer; headers and body are bounded; the body is digested as it streams by, and
// kept only if asked to. As keepalived asks: no connection reuse, no redirect, proxy, cookie, name
// lookup or decoding, and no certificate is verified. It must not judge what an answer means.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "core/config.h"
#include "core/types.h"
#include "io/event_loop.h"

namespace xlb {

inline constexpr size_t kMaxHeaderBytes = 16UL * 1024;
inline constexpr size_t kMaxBodyBytes = 1024UL * 1024;
inline constexpr size_t kMaxKeptBytes = 256UL * 1024;  // of a body that is kept

struct HttpRequest {
  Endpoint server;
  std::string path;          // sent as it is
  std::string virtual_host;  // the Host header; empty: the server's address and port
  HttpVersion version = HttpVersion::v1_0;
  CheckSource source{};
  bool keep_body = false;
  bool tls = false;  // the certificate is not verified, as in keepalived
  TlsClient tls_client{};
  std::string sni;  // the name in the TLS hello; empty: none is sent
  Duration timeout{};
  // Whether to read on into the body, asked once when the headers are complete; false ends the
  // exchange.
  std::function<bool(int status)> wants_body;
};

struct HttpResponse {
  int status = 0;
  std::string digest;     // MD5 of the body as received, hex; empty when the body was not wanted
  size_t body_bytes = 0;  // received
  std::string body;       // if it was to be kept
};

// A running request; destroying it cancels it, and then it never calls back.
class HttpExchange {
 public:
  HttpExchange() = default;
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;
  virtual ~HttpExchange() = default;
};

// Called exactly once, from the loop, never from within get(). It may destroy its exchange and
// start others. An error's text is the cause alone, for a user to read: "connect: Connection
// refused".
using HttpCallback = std::function<void(const Result<HttpResponse>&)>;

// All exchanges of one loop. Outlives them; must not be destroyed from a callback.
class HttpClient {
 public:
  static Result<std::unique_ptr<HttpClient>> create(EventLoop& loop);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  std::unique_ptr<HttpExchange> get(HttpRequest request, HttpCallback callback);
  // Certificates and keys are read once; from now on they are read anew.
  void forget_files();

 private:
  struct Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace xlb
