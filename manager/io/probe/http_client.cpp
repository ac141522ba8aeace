// TLS is libcurl's, by its multi interface on the event loop: libcurl says which descriptors and
// which deadline it waits for, the loop says when they are ready. libcurl's callbacks only take
// notes; transfers end in collect(), outside of them, so that a user's callback may start and
// cancel exchanges.
#include "io/probe/http_client.h"

#include <curl/curl.h>

#include <unordered_map>
#include <utility>

#include "io/probe/http_exchange.h"
#include "io/probe/http_plain.h"

namespace xlb {

struct HttpClient::Impl {
  explicit Impl(EventLoop& event_loop) : loop(event_loop) {}
  ~Impl() { curl_multi_cleanup(multi); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void drive(curl_socket_t socket, int events);
  void collect();
  static int on_socket(CURL* easy, curl_socket_t socket, int wanted, void* user, void* of_socket);
  static int on_timer(CURLM* multi, long timeout_ms, void* user);

  EventLoop& loop;
  std::unordered_map<curl_socket_t, EventLoop::Watch> watches;
  EventLoop::Timer timer;
  CURLM* multi = nullptr;
  TlsFiles files;
};

Result<std::unique_ptr<HttpClient>> HttpClient::create(EventLoop& loop) {
  // Once per process and never undone: other threads may not use libcurl then.
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) {
    return fail("cannot initialise libcurl: {}", curl_easy_strerror(initialised));
  }
  auto impl = std::make_unique<Impl>(loop);
  Impl* const raw = impl.get();
  impl->timer =
      loop.timer(EventLoop::Urgency::normal, [raw] { raw->drive(CURL_SOCKET_TIMEOUT, 0); });
  impl->multi = curl_multi_init();
  if (impl->multi == nullptr) return fail("cannot initialise libcurl: out of memory");
  curl_multi_setopt(impl->multi, CURLMOPT_SOCKETDATA, raw);
  curl_multi_setopt(impl->multi, CURLMOPT_SOCKETFUNCTION, Impl::on_socket);
  curl_multi_setopt(impl->multi, CURLMOPT_TIMERDATA, raw);
  curl_multi_setopt(impl->multi, CURLMOPT_TIMERFUNCTION, Impl::on_timer);
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(impl)));
}

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

std::unique_ptr<HttpExchange> HttpClient::get(HttpRequest request, HttpCallback callback) {
  if (!request.tls)
    return start_plain_exchange(impl_->loop, std::move(request), std::move(callback));
  return std::make_unique<CurlExchange>(impl_->multi, impl_->loop, impl_->files, std::move(request),
                                        std::move(callback));
}

void HttpClient::forget_files() {
  impl_->files.forget();
}

void HttpClient::Impl::drive(curl_socket_t socket, int events) {
  int running = 0;
  (void)curl_multi_socket_action(multi, socket, events, &running);
  collect();
}

void HttpClient::Impl::collect() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CurlExchange::of(message->easy_handle)->completed(message->data.result);
  }
}

int HttpClient::Impl::on_socket(CURL* easy, curl_socket_t socket, int wanted, void* user,
                                void* /*of_socket*/) {
  Impl& self = *static_cast<Impl*>(user);
  if (wanted == CURL_POLL_REMOVE) {
    self.watches.erase(socket);
    return 0;
  }
  uint32_t events = 0;
  if ((wanted & CURL_POLL_IN) != 0) events |= EPOLLIN;
  if ((wanted & CURL_POLL_OUT) != 0) events |= EPOLLOUT;
  if (const auto known = self.watches.find(socket); known != self.watches.end()) {
    known->second.set_events(events);
    return 0;
  }
  Result<EventLoop::Watch> watch = self.loop.watch(socket, events, [&self, socket](uint32_t ready) {
    int curl_events = 0;
    if ((ready & EPOLLIN) != 0) curl_events |= CURL_CSELECT_IN;
    if ((ready & EPOLLOUT) != 0) curl_events |= CURL_CSELECT_OUT;
    if ((ready & (EPOLLERR | EPOLLHUP)) != 0) curl_events |= CURL_CSELECT_ERR;
    self.drive(socket, curl_events);
  });
  if (!watch) {
    CurlExchange::of(easy)->fail_soon(watch.error().text);
    return 0;
  }
  self.watches.emplace(socket, std::move(watch).value());
  return 0;
}

int HttpClient::Impl::on_timer(CURLM* /*multi*/, long timeout_ms, void* user) {
  Impl& self = *static_cast<Impl*>(user);
  if (timeout_ms < 0) {
    self.timer.disarm();
  } else {
    self.timer.arm(self.loop.now() + std::chrono::milliseconds(timeout_ms));
  }
  return 0;
}

}  // namespace xlb
