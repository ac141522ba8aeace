// Mail by SMTP, off the loop: one after the other on a thread of its own, by libcurl, which may
// wait there for name servers too. No encryption and no authentication, as with keepalived's.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "core/config_mail.h"
#include "io/event_loop.h"
#include "io/worker.h"

namespace xlb {

struct Mail {
  MailConfig config;  // with a server and recipients
  std::string from;
  std::string message;  // as RFC 5322 has it
};

// The host's name, for what the configuration does not say; "localhost" if it has none.
std::string mail_host_name();

class MailSender {
 public:
  // Of those that wait; an outage of ten thousand real servers is not ten thousand mails.
  static constexpr size_t kMostWaiting = 100;

  explicit MailSender(EventLoop& loop) : loop_(loop) {}
  // Gives up the mail on its way within a second; the rest is dropped.
  ~MailSender();
  MailSender(const MailSender&) = delete;
  MailSender& operator=(const MailSender&) = delete;

  // `done` is called from the loop; an error's text is for a user to read. False: too many wait,
  // it is not sent and `done` never called.
  [[nodiscard]] bool send(Mail mail, std::function<void(const Result<void>&)> done);
  [[nodiscard]] bool idle() const { return waiting_ == 0; }

 private:
  EventLoop& loop_;
  size_t waiting_ = 0;  // the one on its way included
  std::shared_ptr<std::atomic<bool>> giving_up_ = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<Worker> worker_;  // a thread only for who sends mail
};

}  // namespace xlb
