#include "io/probe/http_probe.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <utility>

#include "io/probe/body_pattern.h"
#include "io/probe/http_client.h"

namespace xlb {
namespace {

constexpr std::array kUsuallyExpected = {StatusCodeRange{200, 299}};

std::span<const StatusCodeRange> expected_of(const HttpUrl& url) {
  if (url.status_codes.empty()) return kUsuallyExpected;
  return url.status_codes;
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

bool needs_body(const HttpUrl& url) {
  return url.md5_digest.has_value() || url.pattern.has_value();
}

ProbeResult search(BodySearches& searches, const BodyPattern& pattern, const std::string& body) {
  const auto& search = searches.of(pattern);
  if (!search) return {false, "regex: " + search.error().text};
  const Result<bool> found = (*search)->matches(body);
  if (!found) return {false, "regex: " + found.error().text};
  if (*found == pattern.must_match)
    return {true, *found ? "regex matches" : "regex does not match"};
  return {false, *found ? "regex matches, which it must not" : "regex does not match"};
}

ProbeResult judge(BodySearches& searches, const HttpUrl& url,
                  const Result<HttpResponse>& response) {
  if (!response) return {false, response.error().text};
  if (!accepts(url, response->status)) {
    return {false, fmt::format("HTTP {}, expected {}", response->status, expected_text(url))};
  }
  ProbeResult result{true, fmt::format("HTTP {}", response->status)};
  if (url.md5_digest) {
    if (response->digest != *url.md5_digest) {
      return {false, fmt::format("digest {}, expected {}", response->digest, *url.md5_digest)};
    }
    result.text += ", digest matches";
  }
  if (!url.pattern) return result;
  ProbeResult found = search(searches, *url.pattern, response->body);
  if (!found.ok) return found;
  return {true, result.text + ", " + found.text};
}

class HttpProbe final : public Probe {
 public:
  HttpProbe(ProbeContext& context, const CheckConfig& check, ProbeCallback callback)
      : client_(context.http()),
        searches_(context.searches()),
        check_(check),
        callback_(std::move(callback)) {
    if (check_.urls.empty()) std::abort();  // the model's invariant: HTTP_GET has a url
    ask();
  }

 private:
  void ask() {
    const HttpUrl& url = check_.urls[current_];
    HttpRequest request;
    request.server = check_.target;
    request.path = url.path;
    request.virtual_host = url.virtual_host;
    request.version = check_.http_version;
    request.tls = check_.kind == CheckKind::ssl_get;
    request.sni = url.sni;
    request.timeout = check_.timing.connect_timeout;
    request.source = check_.source;
    request.tls_client = check_.tls;
    request.keep_body = url.pattern.has_value();
    request.wants_body = [&url](int status) { return needs_body(url) && accepts(url, status); };
    exchange_ =
        client_.get(std::move(request), [this](const auto& response) { answered(response); });
  }

  void answered(const Result<HttpResponse>& response) {
    ProbeResult result = judge(searches_, check_.urls[current_], response);
    if (result.ok && current_ + 1 < check_.urls.size()) {
      ++current_;
      return ask();
    }
    if (check_.urls.size() > 1) result.text = check_.urls[current_].path + ": " + result.text;
    // The callback may destroy this probe: nothing of it is touched after the call.
    const ProbeCallback callback = std::exchange(callback_, nullptr);
    callback(result);
  }

  HttpClient& client_;
  BodySearches& searches_;
  const CheckConfig& check_;
  size_t current_ = 0;
  ProbeCallback callback_;
  std::unique_ptr<HttpExchange> exchange_;
};

}  // namespace

std::unique_ptr<Probe> start_http_probe(ProbeContext& context, const CheckConfig& check,
                                        ProbeCallback callback) {
  return std::make_unique<HttpProbe>(context, check, std::move(callback));
}

}  // namespace xlb
