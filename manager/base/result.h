// Expected failures as values.
//
// A function that can fail in a way its caller must handle returns Result<T>. The text of an Error
// reads "cannot <verb> <object>: <cause>"; each layer adds only what it knows. Broken invariants
// are not errors: they abort. Third-party exceptions stop in the file that includes the library.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace xlb {

struct Error {
  std::string text;
  int code = 0;  // errno value where the kernel gave one, else 0

  // "cannot open /x: no such file" -> "cannot start: cannot open /x: no such file"
  [[nodiscard]] Error context(std::string_view outer) const {
    return Error{fmt::format("{}: {}", outer, text), code};
  }
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit

  [[nodiscard]] bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_;
  bool ok_ = true;
};

// fail("cannot read {}: too short", path)
template <typename... Args>
[[nodiscard]] Error fail(fmt::format_string<Args...> format, Args&&... args) {
  return Error{fmt::format(format, std::forward<Args>(args)...), 0};
}

// fail_errno(errno, "cannot open {}", path) -> "cannot open x: No such file or directory". Take
// errno in the same statement as the failing call.
template <typename... Args>
[[nodiscard]] Error fail_errno(int code, fmt::format_string<Args...> format, Args&&... args) {
  const int positive = code < 0 ? -code : code;
  return Error{fmt::format("{}: {}", fmt::format(format, std::forward<Args>(args)...),
                           strerrordesc_np(positive) != nullptr ? strerrordesc_np(positive)
                                                                : "unknown error"),
               positive};
}

}  // namespace xlb
