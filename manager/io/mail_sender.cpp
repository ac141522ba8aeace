#include "io/mail_sender.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <utility>

namespace xlb {
namespace {

// On top of what connecting may take, for the dialogue of a slow server.
constexpr std::chrono::seconds kDialogueLimit{60};

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::string url_of(const MailConfig& config) {
  const bool v6 = config.server.find(':') != std::string::npos;
  const bool bracketed = config.server.starts_with('[');
  return fmt::format("smtp://{}{}{}:{}/{}", v6 && !bracketed ? "[" : "", config.server,
                     v6 && !bracketed ? "]" : "", config.port,
                     config.helo_name.empty() ? mail_host_name() : config.helo_name);
}

struct Upload {
  std::string_view rest;
};

size_t read_upload(char* buffer, size_t size, size_t count, void* user) {
  std::string_view& rest = static_cast<Upload*>(user)->rest;
  const size_t length = std::min(rest.size(), size * count);
  std::memcpy(buffer, rest.data(), length);
  rest.remove_prefix(length);
  return length;
}

int keep_going(void* giving_up, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(giving_up)->load() ? 1 : 0;
}

Result<void> deliver(const Mail& mail, std::atomic<bool>& giving_up) {
  const std::unique_ptr<CURL, EasyDeleter> easy(curl_easy_init());
  std::unique_ptr<curl_slist, ListDeleter> recipients;
  for (const std::string& address : mail.config.recipients) {
    curl_slist* longer = curl_slist_append(recipients.get(), fmt::format("<{}>", address).c_str());
    if (longer == nullptr) return fail("out of memory");
    if (!recipients) recipients.reset(longer);
  }
  if (!easy) return fail("out of memory");
  Upload upload{mail.message};
  std::array<char, CURL_ERROR_SIZE> cause{};
  const auto limit = static_cast<long>(mail.config.connect_timeout.count());
  curl_easy_setopt(easy.get(), CURLOPT_URL, url_of(mail.config).c_str());
  curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "smtp");
  curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_CONNECTTIMEOUT, limit);
  curl_easy_setopt(easy.get(), CURLOPT_SERVER_RESPONSE_TIMEOUT, limit);
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, limit + static_cast<long>(kDialogueLimit.count()));
  curl_easy_setopt(easy.get(), CURLOPT_MAIL_FROM, fmt::format("<{}>", mail.from).c_str());
  curl_easy_setopt(easy.get(), CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(easy.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_READFUNCTION, read_upload);
  curl_easy_setopt(easy.get(), CURLOPT_READDATA, &upload);
  curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, cause.data());
  curl_easy_setopt(easy.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy.get(), CURLOPT_XFERINFOFUNCTION, keep_going);
  curl_easy_setopt(easy.get(), CURLOPT_XFERINFODATA, &giving_up);
  const CURLcode code = curl_easy_perform(easy.get());
  if (code == CURLE_OK) return {};
  return fail("{}", cause[0] != '\0' ? cause.data() : curl_easy_strerror(code));
}

}  // namespace

std::string mail_host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

MailSender::~MailSender() {
  giving_up_->store(true);
}

bool MailSender::send(Mail mail, std::function<void(const Result<void>&)> done) {
  if (waiting_ >= kMostWaiting) return false;
  if (!worker_) worker_ = std::make_unique<Worker>(loop_);
  ++waiting_;
  auto result = std::make_shared<Result<void>>();
  worker_->run([mail = std::move(mail), result,
                giving_up = giving_up_] { *result = deliver(mail, *giving_up); },
               [this, result, done = std::move(done)] {
                 --waiting_;
                 done(*result);
               });
  return true;
}

}  // namespace xlb
