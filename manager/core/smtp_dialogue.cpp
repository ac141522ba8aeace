#include "core/smtp_dialogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/clean_text.h"

namespace xlb {
namespace {

constexpr size_t kShownBytes = 80;

bool is_reply(std::string_view line) {
  return line.size() >= 3 &&
         std::all_of(line.begin(), line.begin() + 3, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string_view SmtpDialogue::awaited() const {
  if (state_ == State::greeting) return "greeting";
  return state_ == State::helo ? "reply to HELO" : "reply to QUIT";
}

std::string SmtpDialogue::received(std::string_view bytes) {
  std::string answer;
  while (!bytes.empty() && !over()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() > kLongestLine) {
      fail(fmt::format("{}: a line is longer than {} bytes", awaited(), kLongestLine));
      break;
    }
    line_ += part;
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    answer += take_line(std::exchange(line_, {}));
  }
  return answer;
}

void SmtpDialogue::closed() {
  if (over()) return;
  if (state_ != State::quit) return fail(fmt::format("connection closed, {} awaited", awaited()));
  state_ = State::passed;
}

std::string SmtpDialogue::take_line(std::string_view line) {
  if (++lines_ > kMostLines) {
    fail(fmt::format("{}: more than {} lines", awaited(), kMostLines));
    return {};
  }
  const std::string_view expected = state_ == State::greeting ? "220" : "250";
  const bool last = line.size() < 4 || line[3] != '-';
  if (state_ == State::quit) {
    if (is_reply(line) && last) state_ = State::passed;
    return {};
  }
  if (!is_reply(line) || line.substr(0, 3) != expected) {
    fail(fmt::format("{} is '{}', expected {}", awaited(), clean_text(line.substr(0, kShownBytes)),
                     expected));
    return {};
  }
  if (!last) return {};
  lines_ = 0;
  if (state_ == State::helo) {
    state_ = State::quit;
    text_ = "greeting 220, HELO 250";
    return "QUIT\r\n";
  }
  state_ = State::helo;
  return fmt::format("HELO {}\r\n", helo_name_);
}

void SmtpDialogue::fail(std::string text) {
  state_ = State::failed;
  text_ = std::move(text);
}

}  // namespace xlb
