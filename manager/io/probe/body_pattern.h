// A url's regular expression at work, by PCRE2. A body is not trusted: however it is made, a search
// takes a bounded number of steps and a bounded amount of memory.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/config_check.h"

namespace xlb {

class BodySearch {
 public:
  // An error's text is PCRE2's cause and where in the expression: "missing closing parenthesis
  // (at 5)".
  static Result<std::unique_ptr<BodySearch>> create(const BodyPattern& pattern);
  ~BodySearch();
  BodySearch(const BodySearch&) = delete;
  BodySearch& operator=(const BodySearch&) = delete;

  // Whether a match begins in the pattern's window; an error when the search had to be given up.
  [[nodiscard]] Result<bool> matches(std::string_view body) const;

 private:
  struct Impl;
  explicit BodySearch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Patterns compiled once, for all attempts of all checks that have the same.
class BodySearches {
 public:
  const Result<std::unique_ptr<BodySearch>>& of(const BodyPattern& pattern);
  void forget() { compiled_.clear(); }

 private:
  std::map<std::string, Result<std::unique_ptr<BodySearch>>> compiled_;
};

}  // namespace xlb
