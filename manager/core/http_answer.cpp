#include "core/http_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace xlb {
namespace {

constexpr std::string_view kProtocol = "HTTP/1.";
constexpr size_t kStatusLineBytes = 12;    // "HTTP/1.0 200"
constexpr size_t kLongestChunkLine = 256;  // size and extensions

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool contains_word(std::string_view text, std::string_view word) {
  return std::search(text.begin(), text.end(), word.begin(), word.end(),
                     [](char x, char y) { return lower(x) == lower(y); }) != text.end();
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

template <typename Number>
bool read_number(std::string_view text, Number& number, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

}  // namespace

bool HttpAnswer::is_line() const {
  return in_head() || state_ == State::chunk_size || state_ == State::chunk_end ||
         state_ == State::trailers;
}

void HttpAnswer::received(std::string_view bytes) {
  while (!bytes.empty() && !over()) {
    if (is_line()) {
      take_line(bytes);
    } else {
      take_body(bytes);
    }
  }
}

void HttpAnswer::take_line(std::string_view& bytes) {
  const size_t end = bytes.find('\n');
  const size_t size = end == std::string_view::npos ? bytes.size() : end + 1;
  const std::string_view part = bytes.substr(0, size);
  if (in_head() || state_ == State::trailers) {
    head_bytes_ += size;
    if (head_bytes_ > most_head_bytes_) {
      return fail(fmt::format("headers larger than {} KiB", most_head_bytes_ >> 10));
    }
  } else if (line_.size() + size > kLongestChunkLine) {
    return fail("the answer's chunks are malformed");
  }
  // Framing is part of the body as received.
  if (!in_head() && !pass_on(part)) return;
  line_ += part;
  bytes.remove_prefix(size);
  if (end == std::string_view::npos) {
    const size_t known = std::min(line_.size(), kProtocol.size());
    if (state_ == State::status_line && line_.compare(0, known, kProtocol, 0, known) != 0) {
      fail("the answer is not HTTP");
    }
    return;
  }
  std::string line = std::exchange(line_, {});
  line.pop_back();
  if (line.ends_with('\r')) line.pop_back();
  read_line(line);
}

void HttpAnswer::read_line(std::string_view line) {
  switch (state_) {
    case State::status_line:
      return read_status_line(line);
    case State::fields:
      return line.empty() ? end_head() : read_field(line);
    case State::chunk_size:
      return read_chunk_size(line);
    case State::chunk_end:
      if (!line.empty()) return fail("the answer's chunks are malformed");
      state_ = State::chunk_size;
      return;
    default:  // trailers
      if (line.empty()) state_ = State::complete;
      return;
  }
}

void HttpAnswer::read_status_line(std::string_view line) {
  const bool well_formed = line.size() >= kStatusLineBytes && line.starts_with(kProtocol) &&
                           line[8] == ' ' &&
                           (line.size() == kStatusLineBytes || line[kStatusLineBytes] == ' ') &&
                           read_number(line.substr(9, 3), status_, 10) && status_ >= 100;
  if (!well_formed) return fail("the answer is not HTTP");
  state_ = State::fields;
}

void HttpAnswer::read_field(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;  // a folded line, or rubbish that says nothing
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (same_word(name, "content-length")) read_length(value);
  if (same_word(name, "transfer-encoding")) chunked_ = chunked_ || contains_word(value, "chunked");
}

void HttpAnswer::read_length(std::string_view value) {
  uint64_t length = 0;
  if (!read_number(value, length, 10)) return fail("the answer's Content-Length is no number");
  if (length_ && *length_ != length) return fail("the answer has two Content-Lengths");
  length_ = length;
}

void HttpAnswer::end_head() {
  constexpr int kSwitching = 101;
  if (status_ < 200 && status_ != kSwitching) {  // an interim answer
    state_ = State::status_line;
    chunked_ = false;
    length_.reset();
    return;
  }
  body_wanted_ = wants_body_(status_);
  state_ = State::complete;
  if (body_wanted_) begin_body();
}

void HttpAnswer::begin_body() {
  constexpr int kNoContent = 204;
  constexpr int kNotModified = 304;
  if (status_ == kNoContent || status_ == kNotModified) return;
  if (chunked_) {
    state_ = State::chunk_size;
  } else if (!length_) {
    state_ = State::body_to_the_end;
  } else if (*length_ > 0) {
    left_ = *length_;
    state_ = State::counted_body;
  }
}

void HttpAnswer::read_chunk_size(std::string_view line) {
  const std::string_view size = trimmed(line.substr(0, line.find(';')));
  if (!read_number(size, left_, 16)) return fail("the answer's chunks are malformed");
  state_ = left_ == 0 ? State::trailers : State::chunk_bytes;
}

void HttpAnswer::take_body(std::string_view& bytes) {
  std::string_view part = bytes;
  if (state_ != State::body_to_the_end)
    part = bytes.substr(0, std::min<uint64_t>(left_, bytes.size()));
  bytes.remove_prefix(part.size());
  if (!pass_on(part) || state_ == State::body_to_the_end) return;
  left_ -= part.size();
  if (left_ > 0) return;
  state_ = state_ == State::chunk_bytes ? State::chunk_end : State::complete;
}

bool HttpAnswer::pass_on(std::string_view bytes) {
  body_bytes_ += bytes.size();
  if (on_body_(bytes)) return true;
  state_ = State::failed;
  return false;
}

void HttpAnswer::closed() {
  if (over()) return;
  if (state_ == State::body_to_the_end) {
    state_ = State::complete;
  } else if (state_ == State::counted_body) {
    fail(fmt::format("connection closed after {} of {} bytes", body_bytes_, *length_));
  } else if (!in_head()) {
    fail("connection closed inside a chunked body");
  } else if (head_bytes_ == 0) {
    fail("connection closed without an answer");
  } else {
    fail("connection closed inside the headers");
  }
}

void HttpAnswer::fail(std::string text) {
  state_ = State::failed;
  text_ = std::move(text);
}

}  // namespace xlb
