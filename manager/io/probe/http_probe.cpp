#include "io/probe/http_probe.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "io/probe/body_pattern.h"
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
  const ProbeResult found = search(searches, *url.pattern, response->body);
  if (!found.ok) return found;
  return {true, result.text + ", " + found.text};
}

class HttpProbe final : public Probe {
 public:
  HttpProbe(ProbeContext& context, const CheckConfig& check, ProbeCallback callback)
      : client_(context.http()),
        searches_(context.searches()),
        target_(check.target),
        source_(check.source),
        tls_client_(check.tls),
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
    request.source = source_;
    request.tls_client = tls_client_;
    request.keep_body = url.pattern.has_value();
    request.wants_body = [&url](int status) { return needs_body(url) && accepts(url, status); };
    exchange_ =
        client_.get(std::move(request), [this](const auto& response) { answered(response); });
  }

  void answered(const Result<HttpResponse>& response) {
    ProbeResult result = judge(searches_, urls_[current_], response);
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
  BodySearches& searches_;
  Endpoint target_;
  CheckSource source_;
  TlsClient tls_client_;
  Duration timeout_;
  bool tls_;
  HttpVersion version_;
  std::vector<HttpUrl> urls_;
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
