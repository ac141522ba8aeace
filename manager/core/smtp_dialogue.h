// The dialogue of SMTP_CHECK (RFC 5321): greeting 220, HELO 250, QUIT. Bytes from the server in,
// lines to send and the outcome out; it knows no sockets and keeps no more than one line.
//
//   waits for   server says   then
//   greeting    220           HELO name
//   helo        250           QUIT
//   quit        221, or       passed: the server has shown that it serves
//               the end
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace xlb {

class SmtpDialogue {
 public:
  static constexpr size_t kLongestLine = 1024;  // RFC 5321 allows 512
  static constexpr int kMostLines = 64;         // of one reply

  enum class State : uint8_t { greeting, helo, quit, passed, failed };

  explicit SmtpDialogue(std::string helo_name) : helo_name_(std::move(helo_name)) {}

  // What the server sent; returns what to answer, if anything.
  std::string received(std::string_view bytes);
  // The server closed the connection.
  void closed();

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool over() const { return state_ == State::passed || state_ == State::failed; }
  // What came of it, or what is waited for, in words.
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::string_view awaited() const;  // "greeting", "reply to HELO", "reply to QUIT"

 private:
  std::string take_line(std::string_view line);
  void fail(std::string text);

  std::string helo_name_;
  State state_ = State::greeting;
  std::string line_;  // not yet ended
  int lines_ = 0;     // of this reply
  std::string text_;
};

}  // namespace xlb
