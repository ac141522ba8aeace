// A TLS server on 127.0.0.1, on the test's own event loop, with a certificate of its own making
// that nobody trusts. One answer per connection.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <list>
#include <memory>
#include <string>
#include <utility>

#include "base/unique_fd.h"
#include "io/event_loop.h"
#include "loopback_socket.h"

namespace xlb::test {

struct FreeTls {
  void operator()(SSL* tls) const { SSL_free(tls); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

// Of a server whose clients must not verify: expired as soon as made, for a name of its own.
inline std::unique_ptr<SSL_CTX, FreeTls> untrusted_server_context() {
  const std::unique_ptr<EVP_PKEY, FreeTls> key(EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, FreeTls> certificate(X509_new());
  X509* const raw = certificate.get();
  ASN1_INTEGER_set(X509_get_serialNumber(raw), 1);
  X509_gmtime_adj(X509_getm_notBefore(raw), -7200);
  X509_gmtime_adj(X509_getm_notAfter(raw), -3600);
  X509_set_pubkey(raw, key.get());
  X509_NAME* const name = X509_get_subject_name(raw);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("nobody.invalid"), -1, -1, 0);
  X509_set_issuer_name(raw, name);
  REQUIRE(X509_sign(raw, key.get(), EVP_sha256()) > 0);
  std::unique_ptr<SSL_CTX, FreeTls> context(SSL_CTX_new(TLS_server_method()));
  REQUIRE(SSL_CTX_use_certificate(context.get(), raw) == 1);
  REQUIRE(SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1);
  return context;
}

class TlsServer {
 public:
  TlsServer(EventLoop& loop, std::string answer)
      : loop_(loop), answer_(std::move(answer)), context_(untrusted_server_context()) {
    socket_ = loopback_socket(SOCK_STREAM, endpoint_);
    auto watch = loop_.watch(socket_.get(), EPOLLIN, [this](uint32_t) { accept(); });
    REQUIRE(watch.ok());
    watch_ = std::move(watch).value();
  }

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& last_request() const { return last_request_; }
  // The name in the last client's hello; "(none)" when there was none.
  [[nodiscard]] const std::string& last_sni() const { return last_sni_; }
  [[nodiscard]] int handshakes() const { return handshakes_; }

 private:
  struct Connection {
    UniqueFd socket;
    std::unique_ptr<SSL, FreeTls> tls;
    std::string request;
    EventLoop::Watch watch;
  };

  void accept() {
    UniqueFd accepted(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!accepted.valid()) return;
    Connection& connection = connections_.emplace_back();
    connection.socket = std::move(accepted);
    connection.tls.reset(SSL_new(context_.get()));
    SSL_set_fd(connection.tls.get(), connection.socket.get());
    SSL_set_accept_state(connection.tls.get());
    auto watch = loop_.watch(connection.socket.get(), EPOLLIN,
                             [this, &connection](uint32_t) { ready(connection); });
    REQUIRE(watch.ok());
    connection.watch = std::move(watch).value();
  }

  void ready(Connection& connection) {
    SSL* const tls = connection.tls.get();
    const bool was_open = SSL_is_init_finished(tls) == 1;
    char bytes[4096];
    const int size = SSL_read(tls, bytes, sizeof bytes);
    if (!was_open && SSL_is_init_finished(tls) == 1) {
      ++handshakes_;
      const char* const sni = SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name);
      last_sni_ = sni == nullptr ? "(none)" : sni;
    }
    if (size <= 0 && SSL_get_error(tls, size) == SSL_ERROR_WANT_READ) return;
    if (size > 0) connection.request.append(bytes, static_cast<size_t>(size));
    if (size > 0 && connection.request.find("\r\n\r\n") == std::string::npos) return;
    if (size > 0) {
      last_request_ = connection.request;
      (void)SSL_write(tls, answer_.data(), static_cast<int>(answer_.size()));
      (void)SSL_shutdown(tls);
    }
    connections_.remove_if([&](const Connection& other) { return &other == &connection; });
  }

  EventLoop& loop_;
  std::string answer_;
  std::unique_ptr<SSL_CTX, FreeTls> context_;
  UniqueFd socket_;
  EventLoop::Watch watch_;
  Endpoint endpoint_;
  std::string last_request_;
  std::string last_sni_;
  int handshakes_ = 0;
  std::list<Connection> connections_;
};

}  // namespace xlb::test
