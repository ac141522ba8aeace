// Reads an HTTP/1 answer as it comes in, from a server that may be broken or hostile (RFC 9112):
// where its head ends, what its status is, and where its body ends. It keeps no more than one line
// of the head; a body passes through as received, chunks and all. It must not judge what an answer
// means.
//
//   head     status line and fields, interim answers (1xx) before it; bounded in all
//   body     by Content-Length, by chunks (then trailers), else to the connection's end
//   over     complete, or failed: text() says why
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace xlb {

class HttpAnswer {
 public:
  // Whether to read on into the body; asked once, when the head is complete.
  using WantsBody = std::function<bool(int status)>;
  // The body, piece by piece; false ends the answer, failed, with the text set by the caller.
  using OnBody = std::function<bool(std::string_view bytes)>;

  HttpAnswer(size_t most_head_bytes, WantsBody wants_body, OnBody on_body)
      : most_head_bytes_(most_head_bytes),
        wants_body_(std::move(wants_body)),
        on_body_(std::move(on_body)) {}

  void received(std::string_view bytes);
  // The server ended the connection.
  void closed();

  [[nodiscard]] bool over() const { return state_ == State::complete || failed(); }
  [[nodiscard]] bool failed() const { return state_ == State::failed; }
  [[nodiscard]] const std::string& text() const { return text_; }  // why it failed
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] bool body_wanted() const { return body_wanted_; }

 private:
  enum class State : uint8_t {
    status_line,
    fields,
    counted_body,
    chunk_size,
    chunk_bytes,
    chunk_end,
    trailers,
    body_to_the_end,
    complete,
    failed,
  };

  // Each takes what is its own off `bytes`.
  void take_line(std::string_view& bytes);
  void take_body(std::string_view& bytes);
  void read_line(std::string_view line);
  void read_status_line(std::string_view line);
  void read_field(std::string_view line);
  void read_length(std::string_view value);
  void read_chunk_size(std::string_view line);
  void end_head();
  void begin_body();
  void fail(std::string text);
  bool pass_on(std::string_view bytes);
  [[nodiscard]] bool in_head() const {
    return state_ == State::status_line || state_ == State::fields;
  }
  [[nodiscard]] bool is_line() const;

  size_t most_head_bytes_;
  WantsBody wants_body_;
  OnBody on_body_;
  State state_ = State::status_line;
  std::string line_;       // begun, not yet ended
  size_t head_bytes_ = 0;  // of all heads and trailers
  int status_ = 0;
  bool body_wanted_ = false;
  bool chunked_ = false;
  std::optional<uint64_t> length_;
  uint64_t left_ = 0;  // of the body or the chunk
  uint64_t body_bytes_ = 0;
  std::string text_;
};

}  // namespace xlb
