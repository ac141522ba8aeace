// One transfer of libcurl's easy interface: how it is set up, what it may receive, and what its end
// means in words. http_client.cpp drives it. Internal to io/probe.
#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "io/probe/http_client.h"
#include "io/probe/md5.h"
#include "io/probe/tls_files.h"

namespace xlb {

class CurlExchange final : public HttpExchange {
 public:
  CurlExchange(CURLM* multi, EventLoop& loop, TlsFiles& files, HttpRequest request,
               HttpCallback callback);
  ~CurlExchange() override;

  // The exchange that an easy handle belongs to.
  static CurlExchange* of(CURL* easy);
  // libcurl is through with the transfer. Calls back; the exchange may be gone afterwards.
  void completed(CURLcode code);
  // Ends the exchange with this reason in the loop's next turn.
  void fail_soon(std::string reason);

 private:
  [[nodiscard]] Result<void> start();
  [[nodiscard]] bool make_lists();  // of headers, and where to connect; false: out of memory
  [[nodiscard]] CURLcode set_options();
  [[nodiscard]] CURLcode set_callbacks();
  [[nodiscard]] Result<void> show_certificate();
  [[nodiscard]] Result<void> set_file(CURLoption option, const std::string& path);
  [[nodiscard]] bool begin_body();
  void expired();
  [[nodiscard]] bool connected() const;
  void finish(const Result<HttpResponse>& result);
  [[nodiscard]] curl_socket_t open_socket(const curl_sockaddr& address);
  size_t on_header(std::string_view line);
  size_t on_body(std::string_view bytes);
  [[nodiscard]] Result<HttpResponse> outcome(CURLcode code);
  [[nodiscard]] std::string reason_for(CURLcode code);
  [[nodiscard]] std::string tls_reason() const;

  struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  CURLM* multi_;
  EventLoop& loop_;
  TlsFiles& files_;
  HttpRequest request_;
  HttpCallback callback_;
  EventLoop::Timer deadline_;
  std::unique_ptr<curl_slist, FreeList> headers_;
  std::unique_ptr<curl_slist, FreeList> connect_to_;
  std::array<char, CURL_ERROR_SIZE> error_text_{};
  std::unique_ptr<CURL, FreeEasy> easy_;
  bool added_ = false;  // to multi_
  int socket_ = -1;     // libcurl's, while the transfer runs

  std::string failure_;  // why we ended it; empty: we did not
  size_t header_bytes_ = 0;
  bool headers_complete_ = false;
  bool body_refused_ = false;
  size_t body_bytes_ = 0;
  std::string body_;  // kept
  std::optional<Md5> md5_;
};

}  // namespace xlb
