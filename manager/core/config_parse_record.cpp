#include "core/config_parse_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace xlb {

void append_quoted(std::string& text, std::string_view word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._:/-+,=%*?&[]()<>^|;").find(c) != std::string_view::npos ||
           static_cast<unsigned char>(c) >= 0x80;
  });
  if (plain) {
    text += word;
    return;
  }
  text += '"';
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') text += '\\';
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(text), "\\{:03o}", byte);
    } else {
      text += c;
    }
  }
  text += '"';
}

namespace parse {

void Record::statement(const Line& line, size_t depth) {
  if (!keep_text_) return;
  last_ = text_.size();
  last_spot_ = line.spot;
  text_.append(2 * depth, ' ');
  bool first = true;
  for (const Word& word : line.words) {
    if (!std::exchange(first, false)) text_ += ' ';
    append_quoted(text_, word.text);
  }
  text_ += '\n';
}

void Record::open() {
  if (!keep_text_ || text_.empty()) return;
  text_.insert(text_.size() - 1, " {");
  last_spot_ = {};
}

void Record::close(size_t depth) {
  if (!keep_text_) return;
  text_.append(2 * depth, ' ');
  text_ += "}\n";
  last_spot_ = {};
}

void Record::drop_if(const Spot& last_statement) {
  const bool same = last_spot_.order != 0 && last_spot_.order == last_statement.order &&
                    last_spot_.column == last_statement.column;
  if (keep_text_ && same) text_.resize(last_);
}

}  // namespace parse
}  // namespace xlb
