#include "io/status_server.h"

#include <httplib.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "core/metrics.h"
#include "core/status_page.h"
#include "io/http_front.h"

namespace xlb {
namespace {

// Far above what the loop needs; a client is served even when the loop does not turn.
constexpr std::chrono::milliseconds kStatusPatience{100};
constexpr const char* kJsonType = "application/json";

// What is made of a Status; one rendering a Status, however often it is asked for.
struct Document {
  std::string_view path;
  std::string_view type;
  std::string (*render)(const Status& status);
  std::shared_ptr<const std::string> text{};  // nullptr: not yet made of the last Status
};

// A request in memory in, a response in memory out.
class MemoryStream : public httplib::Stream {
 public:
  explicit MemoryStream(std::string input) : input_(std::move(input)) {}

  [[nodiscard]] bool is_readable() const override { return true; }
  [[nodiscard]] bool is_writable() const override { return true; }
  ssize_t read(char* target, size_t size) override {
    const size_t count = std::min(size, input_.size() - position_);
    std::memcpy(target, input_.data() + position_, count);
    position_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* source, size_t size) override {
    output_.append(source, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  [[nodiscard]] socket_t socket() const override { return 0; }

  std::string take_output() { return std::move(output_); }

 private:
  std::string input_;
  size_t position_ = 0;
  std::string output_;
};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) ==
                  std::tolower(static_cast<unsigned char>(y));
         });
}

// The request line and the Host fields, each ended by CR LF; nothing else of the head is looked at.
std::string essential_head(std::string_view head) {
  std::string result;
  bool first = true;
  while (!head.empty()) {
    const size_t end = std::min(head.find('\n'), head.size() - 1);
    std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (first || equal_ignoring_case(line.substr(0, 5), "host:"))
      result.append(line).append("\r\n");
    first = false;
  }
  return result + "\r\n";
}

bool is_loopback(const IpAddress& address) {
  if (address.is_v4()) return address.bytes()[0] == 127;
  return address == IpAddress::parse("::1");
}

// "10.0.0.1:9780" -> "10.0.0.1", "[::1]:9780" -> "::1"
std::string_view host_without_port(std::string_view host) {
  if (!host.empty() && host.front() == '[') {
    const size_t end = host.find(']');
    return end == std::string_view::npos ? host : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

// A web page of somebody else's may point its own name at this address (DNS rebinding) and read us
// through its visitor's browser: answer only names that nobody else can own. The port is not
// compared, as it differs behind a forwarded port.
bool host_is_ours(std::string_view host, const IpAddress& listening) {
  const std::string_view name = host_without_port(host);
  if (equal_ignoring_case(name, "localhost")) return true;
  const auto address = IpAddress::parse(name);
  if (!address) return false;
  return !is_loopback(listening) || is_loopback(*address);
}

void set_json(httplib::Response& response, int code, const nlohmann::ordered_json& body) {
  response.status = code;
  response.set_content(body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n",
                       kJsonType);
}

void set_error(httplib::Response& response, int code, const std::string& text) {
  set_json(response, code, {{"error", text}});
}

// Routes by exact path in the pre-routing handler: httplib's own routes are regular expressions.
class Router : private httplib::Server {
 public:
  Router(StatusSlot& slot, const IpAddress& listening) : slot_(slot), listening_(listening) {
    set_default_headers({{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}});
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      route(request, response);
      return HandlerResponse::Handled;
    });
    set_error_handler([](const httplib::Request& request, httplib::Response& response) {
      if (!response.body.empty()) return;
      explain_refusal(request, response);
    });
  }

  // Never throws: what httplib throws (out of memory) becomes a 500.
  FrontResponse answer(std::string_view head) noexcept {
    try {
      body_.reset();
      MemoryStream stream(essential_head(head));
      bool closed = false;
      (void)process_request(stream, true, closed, nullptr);
      return {stream.take_output(), std::exchange(body_, nullptr)};
    } catch (...) {
      return {"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\r\n", nullptr};
    }
  }

 private:
  // httplib refused the request before routing. A method it does not know is still only a method we
  // do not allow.
  static void explain_refusal(const httplib::Request& request, httplib::Response& response) {
    const bool has_version = request.version == "HTTP/1.1" || request.version == "HTTP/1.0";
    if (response.status == 400 && has_version && request.method != "GET" &&
        request.method != "HEAD") {
      refuse_method(response);
    } else {
      set_error(response, response.status, "not a request this server understands");
    }
  }

  static void refuse_method(httplib::Response& response) {
    response.set_header("Allow", "GET, HEAD");
    set_error(response, 405, "only GET and HEAD are allowed: changes go through xlbctl");
  }

  void route(const httplib::Request& request, httplib::Response& response) {
    const size_t hosts = request.get_header_value_count("Host");
    if (hosts > 1 || (hosts == 0 && request.version == "HTTP/1.1")) {
      set_error(response, 400, "a request needs exactly one Host");
    } else if (hosts == 1 && !host_is_ours(request.get_header_value("Host"), listening_)) {
      set_error(response, 421, "ask by IP address or localhost: this Host is not served here");
    } else if (request.method != "GET" && request.method != "HEAD") {
      refuse_method(response);
    } else if (Document* const document = find_document(request.path)) {
      serve(*document, request, response);
    } else if (request.path == "/healthz") {
      serve_health(response);
    } else if (request.path == "/readyz") {
      serve_readiness(response);
    } else {
      set_error(response, 404,
                "no such path: there are /, /v1/status, /metrics, /healthz and /readyz");
    }
  }

  Document* find_document(std::string_view path) {
    const auto found = std::find_if(documents_.begin(), documents_.end(),
                                    [&](const Document& item) { return item.path == path; });
    return found == documents_.end() ? nullptr : &*found;
  }

  // httplib makes the head alone: a body of some megabytes goes beside it, uncopied, to however
  // many ask for it at a time.
  void serve(Document& document, const httplib::Request& request, httplib::Response& response) {
    auto status = slot_.fresh(kStatusPatience);
    if (!status) return set_error(response, 503, "starting: no status published yet");
    if (status != rendered_) {
      for (Document& stale : documents_)
        stale.text.reset();
      rendered_ = std::move(status);
    }
    if (!document.text) {
      document.text = std::make_shared<const std::string>(document.render(*rendered_));
    }
    response.status = 200;
    response.set_content_provider(document.text->size(), std::string(document.type),
                                  [](size_t, size_t, httplib::DataSink&) { return false; });
    if (request.method != "HEAD") body_ = document.text;
    if (document.type == kStatusPageType) {
      response.set_header("Content-Security-Policy", std::string(kStatusPagePolicy));
    }
  }

  void serve_health(httplib::Response& response) const {
    const Duration age = std::chrono::steady_clock::now() - slot_.last_beat();
    const bool healthy = age <= StatusServer::kHeartbeatLimit;
    nlohmann::ordered_json body{{"healthy", healthy}};
    if (!healthy) body["reason"] = "the event loop has not turned for 5 s";
    set_json(response, healthy ? 200 : 503, body);
  }

  void serve_readiness(httplib::Response& response) const {
    const auto status = slot_.current();
    const bool ready = status && status->ready;
    nlohmann::ordered_json body{{"ready", ready}};
    if (!status) {
      body["reason"] = "starting";
    } else if (!ready) {
      body["reason"] = status->not_ready_reason;
    }
    set_json(response, ready ? 200 : 503, body);
  }

  StatusSlot& slot_;
  const IpAddress listening_;
  std::shared_ptr<const Status> rendered_;
  std::shared_ptr<const std::string> body_;  // of the answer that is being made
  std::array<Document, 3> documents_{{
      {"/", kStatusPageType, status_page},
      {"/v1/status", kJsonType, [](const Status& status) { return to_json(status); }},
      {"/metrics", kOpenMetricsType, open_metrics},
  }};
};

}  // namespace

void StatusSlot::publish(std::shared_ptr<const Status> status) {
  const std::scoped_lock lock(mutex_);
  status_.swap(status);  // the old one is destroyed after the lock is released
  answered_ = accepted_;
  published_.notify_all();
}

std::shared_ptr<const Status> StatusSlot::current() const {
  const std::scoped_lock lock(mutex_);
  return status_;
}

void StatusSlot::accept() {
  const std::scoped_lock lock(mutex_);
  accepted_ = wanted_;
}

std::shared_ptr<const Status> StatusSlot::fresh(std::chrono::milliseconds patience) {
  if (!ask_) return current();
  uint64_t request = 0;
  bool owed = false;
  {
    const std::scoped_lock lock(mutex_);
    owed = answered_ != wanted_;
    request = owed ? wanted_ : ++wanted_;
  }
  if (!owed) ask_();
  std::unique_lock lock(mutex_);
  if (!owed) (void)published_.wait_for(lock, patience, [&] { return answered_ >= request; });
  return status_;
}

void StatusSlot::beat(TimePoint now) {
  last_beat_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
}

TimePoint StatusSlot::last_beat() const {
  return TimePoint(Duration(last_beat_.load(std::memory_order_relaxed)));
}

struct StatusServer::Impl {
  Impl(StatusSlot& slot, const IpAddress& listening) : router(slot, listening) {}

  Router router;
  std::unique_ptr<HttpFront> front;
  std::thread thread;
};

StatusServer::StatusServer() = default;
StatusServer::~StatusServer() {
  stop();
}

Result<std::unique_ptr<StatusServer>> StatusServer::start(const Endpoint& endpoint,
                                                          StatusSlot& slot) {
  std::unique_ptr<StatusServer> server(new StatusServer());
  server->impl_ = std::make_unique<Impl>(slot, endpoint.address);
  Impl& impl = *server->impl_;
  auto front = HttpFront::listen(
      endpoint, [&router = impl.router](std::string_view head) { return router.answer(head); });
  if (!front) return front.error().context("cannot start the status server");
  impl.front = std::move(*front);
  // The new thread inherits the mask: signals are the loop's.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::string problem;
  try {
    impl.thread = std::thread([&serving = *impl.front] { serving.run(); });
  } catch (const std::system_error& error) {
    problem = error.what();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!problem.empty()) return fail("cannot start the status server's thread: {}", problem);
  return server;
}

uint16_t StatusServer::port() const {
  return impl_->front->port();
}

void StatusServer::stop() {
  if (!impl_ || !impl_->thread.joinable()) return;
  impl_->front->stop();
  impl_->thread.join();
}

}  // namespace xlb
