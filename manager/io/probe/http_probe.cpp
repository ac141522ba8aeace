#include "io/probe/http_probe.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "io/probe/http_client.h"

namespace xlb {
namespace {

std::vector<StatusCodeRange> expected_of(const HttpUrl& url) {
  return url.status_codes.empty() ? std::vector{StatusCodeRange{200, 299}} : url.status_codes;
}

bool accepts(const HttpUrl& url, int status) {
  const auto ranges = expected_of(url);
  return std::any_of(ranges.begin(), ranges.end(), [status](const StatusCodeRange& range) {
    return range.first <= status && status <= range.last;
  });
}

// "200-299", "200, 301-302"
std::string expected_text(const HttpUrl& url) {
  std::string text;
  for (const StatusCodeRange& range : expected_of(url)) {
    if (!text.empty()) text += ", ";
    text += range.first == range.last ? fmt::format("{}", range.first)
                                      : fmt::format("{}-{}", range.first, range.last);
  }
  return text;
}

ProbeResult judge(const HttpUrl& url, const Result<HttpResponse>& response) {
  if (!response) return {false, response.error().text};
  if (!accepts(url, response->status)) {
    return {false, fmt::format("HTTP {}, expected {}", response->status, expected_text(url))};
  }
  if (!url.md5_digest) return {true, fmt::format("HTTP {}", response->status)};
  if (response->digest != *url.md5_digest) {
    return {false, fmt::format("digest {}, expected {}", response->digest, *url.md5_digest)};
  }
  return {true, fmt::format("HTTP {}, digest matches", response->status)};
}

class HttpProbe final : public Probe {
 public:
  HttpProbe(HttpClient& client, const CheckConfig& check, ProbeCallback callback)
      : client_(client),
        target_(check.target),
        timeout_(check.timing.connect_timeout),
        tls_(check.kind == CheckKind::ssl_get),
        version_(check.http_version),
        urls_(check.urls),
        callback_(std::move(callback)) {
    if (urls_.empty()) std::abort();  // the model's invariant: HTTP_GET has a url
    ask();
  }

 private:
  void ask() {
    const HttpUrl& url = urls_[current_];
    HttpRequest request;
    request.server = target_;
    request.path = url.path;
    request.virtual_host = url.virtual_host;
    request.version = version_;
    request.tls = tls_;
    request.sni = url.sni;
    request.timeout = timeout_;
    request.wants_body = [&url](int status) { return url.md5_digest && accepts(url, status); };
    exchange_ =
        client_.get(std::move(request), [this](const auto& response) { answered(response); });
  }

  void answered(const Result<HttpResponse>& response) {
    ProbeResult result = judge(urls_[current_], response);
    if (result.ok && current_ + 1 < urls_.size()) {
      ++current_;
      return ask();
    }
    if (urls_.size() > 1) result.text = urls_[current_].path + ": " + result.text;
    // The callback may destroy this probe: nothing of it is touched after the call.
    const ProbeCallback callback = std::exchange(callback_, nullptr);
    callback(result);
  }

  HttpClient& client_;
  Endpoint target_;
  Duration timeout_;
  bool tls_;
  HttpVersion version_;
  std::vector<HttpUrl> urls_;
  size_t current_ = 0;
  ProbeCallback callback_;
  std::unique_ptr<HttpExchange> exchange_;
};

}  // namespace

std::unique_ptr<Probe> start_http_probe(HttpClient& client, const CheckConfig& check,
                                        ProbeCallback callback) {
  return std::make_unique<HttpProbe>(client, check, std::move(callback));
}

}  // namespace xlb
