#include "io/probe/http_exchange.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "io/probe/http_plain.h"
#include "io/probe/probe_socket.h"

namespace xlb {
namespace {

// libcurl sends the host of the URL in the TLS hello if it is a name. Where to connect is told
// apart (connect_to), so no name is ever looked up.
std::string url_of(const HttpRequest& request) {
  if (!request.tls) return fmt::format("http://{}/", request.server);
  if (request.sni.empty()) return fmt::format("https://{}/", request.server);
  return fmt::format("https://{}:{}/", request.sni, request.server.port);
}

class OptionSetter {
 public:
  explicit OptionSetter(CURL* easy) : easy_(easy) {}

  template <typename Value>
  void operator()(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(easy_, option, value);
    if (first_error_ == CURLE_OK) first_error_ = code;
  }
  [[nodiscard]] CURLcode first_error() const { return first_error_; }

 private:
  CURL* easy_;
  CURLcode first_error_ = CURLE_OK;
};

const char* cause_of(int error) {
  const char* text = strerrordesc_np(error);
  return text != nullptr ? text : "unknown error";
}

}  // namespace

CurlExchange::CurlExchange(CURLM* multi, EventLoop& loop, TlsFiles& files, HttpRequest request,
                           HttpCallback callback)
    : multi_(multi),
      loop_(loop),
      files_(files),
      request_(std::move(request)),
      callback_(std::move(callback)),
      deadline_(loop.timer(EventLoop::Urgency::normal, [this] { expired(); })),
      easy_(curl_easy_init()) {
  deadline_.arm(loop_.now() + request_.timeout);
  const Result<void> started = start();
  if (!started) fail_soon(started.error().text);
}

CurlExchange::~CurlExchange() {
  if (added_) curl_multi_remove_handle(multi_, easy_.get());
}

CurlExchange* CurlExchange::of(CURL* easy) {
  CurlExchange* exchange = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &exchange);
  return exchange;
}

Result<void> CurlExchange::start() {
  if (auto checked = check_sendable(request_); !checked) return checked;
  if (!easy_) return fail("cannot start a request: out of memory");
  const CURLcode prepared = set_options();
  if (prepared != CURLE_OK) {
    return fail("cannot prepare the request: {}", curl_easy_strerror(prepared));
  }
  if (auto shown = show_certificate(); !shown) return shown;
  const CURLMcode added = curl_multi_add_handle(multi_, easy_.get());
  if (added != CURLM_OK) return fail("cannot start a request: {}", curl_multi_strerror(added));
  added_ = true;
  return {};
}

bool CurlExchange::make_lists() {
  const std::string host = "Host: " + (request_.virtual_host.empty() ? request_.server.to_string()
                                                                     : request_.virtual_host);
  headers_.reset(curl_slist_append(nullptr, "Accept:"));
  if (!headers_ || curl_slist_append(headers_.get(), host.c_str()) == nullptr) return false;
  if (request_.version != HttpVersion::v1_0 &&
      curl_slist_append(headers_.get(), "Connection: close") == nullptr) {
    return false;
  }
  connect_to_.reset(curl_slist_append(nullptr, fmt::format("::{}", request_.server).c_str()));
  return connect_to_ != nullptr;
}

CURLcode CurlExchange::set_options() {
  if (!make_lists()) return CURLE_OUT_OF_MEMORY;
  OptionSetter set(easy_.get());
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_ERRORBUFFER, error_text_.data());
  // The request, as keepalived sends it.
  set(CURLOPT_URL, url_of(request_).c_str());
  set(CURLOPT_REQUEST_TARGET, request_.path.c_str());
  set(CURLOPT_HTTP_VERSION,
      static_cast<long>(request_.version == HttpVersion::v1_1 ? CURL_HTTP_VERSION_1_1
                                                              : CURL_HTTP_VERSION_1_0));
  set(CURLOPT_USERAGENT, "KeepAliveClient");
  set(CURLOPT_HTTPHEADER, headers_.get());
  // Nothing between this process and the real server.
  set(CURLOPT_PROTOCOLS_STR, request_.tls ? "https" : "http");
  set(CURLOPT_CONNECT_TO, connect_to_.get());
  set(CURLOPT_PROXY, "");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_FRESH_CONNECT, 1L);
  set(CURLOPT_FORBID_REUSE, 1L);
  set(CURLOPT_NOSIGNAL, 1L);
  // No certificate is verified, so none is loaded either: reading the system's takes long.
  set(CURLOPT_SSL_VERIFYPEER, 0L);
  set(CURLOPT_SSL_VERIFYHOST, 0L);
  set(CURLOPT_CAINFO, static_cast<const char*>(nullptr));
  set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  set(CURLOPT_SSL_ENABLE_ALPN, 0L);
  set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
  // The body as received. libcurl's own connect limit must not end it before our deadline does.
  set(CURLOPT_HTTP_TRANSFER_DECODING, 0L);
  set(CURLOPT_HTTP09_ALLOWED, 0L);
  set(CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(request_.timeout).count() +
                        1000));
  return set.first_error() != CURLE_OK ? set.first_error() : set_callbacks();
}

// From memory: libcurl would read the files in every attempt.
Result<void> CurlExchange::set_file(CURLoption option, const std::string& path) {
  const Result<std::string>& bytes = files_.read(path);
  if (!bytes) return bytes.error();
  curl_blob blob{};
  blob.data = const_cast<char*>(bytes->data());  // libcurl's interface is not const; it copies
  blob.len = bytes->size();
  blob.flags = CURL_BLOB_COPY;
  const CURLcode code = curl_easy_setopt(easy_.get(), option, &blob);
  if (code != CURLE_OK) return fail("cannot use {}: {}", path, curl_easy_strerror(code));
  return {};
}

Result<void> CurlExchange::show_certificate() {
  const TlsClient& own = request_.tls_client;
  if (!request_.tls || own.certificate.empty()) return {};
  if (auto set = set_file(CURLOPT_SSLCERT_BLOB, own.certificate); !set) return set;
  // keepalived finds the key in the certificate's file when no other is named.
  const std::string& key = own.key.empty() ? own.certificate : own.key;
  if (auto set = set_file(CURLOPT_SSLKEY_BLOB, key); !set) return set;
  if (!own.password.empty()) {
    curl_easy_setopt(easy_.get(), CURLOPT_KEYPASSWD, own.password.c_str());
  }
  return {};
}

CURLcode CurlExchange::set_callbacks() {
  OptionSetter set(easy_.get());
  set(CURLOPT_OPENSOCKETDATA, this);
  set(
      CURLOPT_OPENSOCKETFUNCTION, +[](void* user, curlsocktype, curl_sockaddr* address) {
        return static_cast<CurlExchange*>(user)->open_socket(*address);
      });
  set(
      CURLOPT_CLOSESOCKETFUNCTION, +[](void*, curl_socket_t socket) {
        end_by_reset(socket);
        return ::close(socket);
      });
  set(CURLOPT_HEADERDATA, this);
  set(
      CURLOPT_HEADERFUNCTION, +[](char* bytes, size_t size, size_t count, void* user) {
        return static_cast<CurlExchange*>(user)->on_header({bytes, size * count});
      });
  set(CURLOPT_WRITEDATA, this);
  set(
      CURLOPT_WRITEFUNCTION, +[](char* bytes, size_t size, size_t count, void* user) {
        return static_cast<CurlExchange*>(user)->on_body({bytes, size * count});
      });
  return set.first_error();
}

// libcurl's own sockets are not close-on-exec in every version; scripts must not inherit them.
curl_socket_t CurlExchange::open_socket(const curl_sockaddr& address) {
  const AddressFamily family =
      address.family == AF_INET6 ? AddressFamily::ipv6 : AddressFamily::ipv4;
  Result<UniqueFd> opened =
      open_probe_socket(family, address.socktype, address.protocol, request_.source);
  if (!opened) {
    failure_ = opened.error().text;
    return CURL_SOCKET_BAD;
  }
  socket_ = opened->release();
  return socket_;
}

// Called for every header line, those of interim answers (1xx) and trailers included. Returning
// another size than given ends the transfer.
size_t CurlExchange::on_header(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) {
    failure_ = fmt::format("headers larger than {} KiB", kMaxHeaderBytes >> 10);
    return 0;
  }
  if (headers_complete_ || (line != "\r\n" && line != "\n")) return line.size();
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status >= 100 && status < 200 && status != 101) return line.size();
  headers_complete_ = true;
  if (request_.wants_body(static_cast<int>(status))) return begin_body() ? line.size() : 0;
  body_refused_ = true;
  return 0;
}

bool CurlExchange::begin_body() {
  Result<Md5> md5 = Md5::create();
  if (md5) {
    md5_ = std::move(md5).value();
  } else {
    failure_ = md5.error().text;
  }
  return md5_.has_value();
}

size_t CurlExchange::on_body(std::string_view bytes) {
  body_bytes_ += bytes.size();
  if (body_bytes_ > kMaxBodyBytes) {
    failure_ = fmt::format("body larger than {} MiB", kMaxBodyBytes >> 20);
    return 0;
  }
  if (request_.keep_body) {
    if (body_bytes_ > kMaxKeptBytes) {
      failure_ =
          fmt::format("body larger than {} KiB: too large to be searched", kMaxKeptBytes >> 10);
      return 0;
    }
    body_ += bytes;
  }
  md5_->update(bytes);
  return bytes.size();
}

void CurlExchange::fail_soon(std::string reason) {
  failure_ = std::move(reason);
  deadline_.arm(loop_.now());
}

void CurlExchange::expired() {
  if (!failure_.empty()) return finish(Error{failure_});
  const std::string limit = seconds_text(request_.timeout);
  if (!connected()) return finish(fail("connect: no answer within {}", limit));
  curl_off_t encrypted_us = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_APPCONNECT_TIME_T, &encrypted_us);
  const bool shaking_hands = request_.tls && encrypted_us == 0;
  finish(fail("{} within {}", shaking_hands ? "TLS handshake: no answer" : "no complete answer",
              limit));
}

// libcurl counts the TLS handshake as connecting.
bool CurlExchange::connected() const {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  return socket_ >= 0 && ::getpeername(socket_, reinterpret_cast<sockaddr*>(&peer), &length) == 0;
}

void CurlExchange::completed(CURLcode code) {
  finish(outcome(code));
}

// The callback may destroy this exchange: nothing of it is touched after the call.
void CurlExchange::finish(const Result<HttpResponse>& result) {
  deadline_.disarm();
  if (std::exchange(added_, false)) curl_multi_remove_handle(multi_, easy_.get());
  const HttpCallback callback = std::exchange(callback_, nullptr);
  callback(result);
}

Result<HttpResponse> CurlExchange::outcome(CURLcode code) {
  if (!failure_.empty()) return Error{failure_};
  if (code != CURLE_OK && !body_refused_) return Error{reason_for(code)};
  // libcurl calls an answer that ends inside its headers complete.
  if (!headers_complete_) return Error{"connection closed inside the headers"};
  HttpResponse response;
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  response.body_bytes = body_bytes_;
  if (!body_refused_) response.digest = md5_->finish();
  response.body = std::move(body_);
  return response;
}

std::string CurlExchange::reason_for(CURLcode code) {
  long system_error = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &system_error);
  const auto with_cause = [&](std::string_view what) {
    return system_error != 0 ? fmt::format("{}: {}", what, cause_of(static_cast<int>(system_error)))
                             : fmt::format("{}: {}", what, curl_easy_strerror(code));
  };
  switch (code) {
    case CURLE_COULDNT_CONNECT:
      return with_cause("connect");
    case CURLE_SEND_ERROR:
      return with_cause("send");
    case CURLE_RECV_ERROR:
      return with_cause("receive");
    case CURLE_SSL_CONNECT_ERROR:
      return tls_reason();
    case CURLE_GOT_NOTHING:
      return "connection closed without an answer";
    case CURLE_UNSUPPORTED_PROTOCOL:
      return "the answer is not HTTP";
    case CURLE_OUT_OF_MEMORY:
      // How libcurl refuses a single header line of more than 100 KB.
      if (!headers_complete_) {
        return fmt::format("headers larger than {} KiB", kMaxHeaderBytes >> 10);
      }
      break;
    case CURLE_PARTIAL_FILE: {
      curl_off_t expected = -1;
      curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
      if (expected < 0) return "connection closed inside a chunked body";
      return fmt::format("connection closed after {} of {} bytes", body_bytes_, expected);
    }
    default:
      break;
  }
  const std::string_view details = error_text_.data();
  return details.empty() ? curl_easy_strerror(code) : std::string(details);
}

// "TLS handshake: wrong version number" out of "error:0A00010B:SSL routines::wrong version number".
std::string CurlExchange::tls_reason() const {
  std::string_view cause = error_text_.data();
  if (const size_t routine = cause.rfind("::"); routine != std::string_view::npos) {
    cause.remove_prefix(routine + 2);
  }
  constexpr std::string_view kCall = "OpenSSL SSL_connect: ";
  if (cause.starts_with(kCall)) cause.remove_prefix(kCall.size());
  cause = cause.substr(0, cause.find(" in connection to "));
  return fmt::format("TLS handshake: {}", cause.empty() ? "failed" : cause);
}

}  // namespace xlb
