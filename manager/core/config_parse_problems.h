// The problems found while parsing, in one list that ends up in reading order. Bounded: a hostile
// file does not fill memory with complaints.
#pragma once

#include <string>
#include <vector>

#include "core/config.h"
#include "core/diagnostic.h"
#include "core/lexer.h"

namespace xlb::parse {

// Where a variable got its value, for what is wrong with that.
struct TextOrigin {
  std::string variable;
  Spot spot;  // of the definition's line, with no origin of its own
};

class Problems {
 public:
  // Numbers a file for Spot::file.
  uint32_t add_file(std::string name);
  [[nodiscard]] const std::string& file_name(uint32_t file) const { return files_[file]; }
  [[nodiscard]] Place place_of(const Spot& spot) const;
  // Numbers a value's place for Spot::origin.
  uint32_t add_origin(TextOrigin origin);
  [[nodiscard]] const TextOrigin& origin(uint32_t number) const { return origins_[number - 1]; }

  void error(const Spot& spot, std::string text, std::string hint = {});
  void warning(const Spot& spot, std::string text, std::string hint = {});
  void add(Diagnostic::Severity severity, const Spot& spot, std::string text, std::string hint);

  [[nodiscard]] bool has_errors() const { return errors_ > 0; }
  // So many errors that reading on helps nobody.
  [[nodiscard]] bool too_many() const { return errors_ >= kMostErrors; }
  std::vector<Diagnostic> take_in_order();

 private:
  static constexpr size_t kMostErrors = 500;
  static constexpr size_t kMostWarnings = 500;

  struct Entry {
    Spot spot;
    Diagnostic diagnostic;
  };
  std::vector<std::string> files_;
  std::vector<TextOrigin> origins_;
  std::vector<Entry> entries_;
  size_t errors_ = 0;
  size_t warnings_ = 0;
};

}  // namespace xlb::parse
