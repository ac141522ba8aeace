// What is said on the control socket, as text; docs/status.md shows it. A request is one line, a
// JSON object: {"command": "connections"}; its other members are string arguments. The answer is
// JSON lines: the document or items asked for, then always one line {"end": {...}}, without which
// an answer is incomplete. Pure: no socket.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/dataplane.h"

namespace xlb {

struct ControlRequest {
  std::string command;  // "status", "connections", "persistence", "config", "reload"
  std::map<std::string, std::string> arguments;
};

// Why a command was not carried out, with xlbctl's exit status for it.
struct ControlFailure {
  static constexpr int kRefused = 1;
  static constexpr int kNotFound = 4;

  int exit_status = kRefused;
  std::string error;
  std::string hint;  // may be empty
};

[[nodiscard]] Result<ControlRequest> parse_control_request(std::string_view line);
std::string to_line(const ControlRequest& request);

// The closing line; nullopt: all went well.
std::string end_line(const std::optional<ControlFailure>& failure);
// Whether `line` is a closing line, and what it says.
struct ControlEnd {
  std::optional<ControlFailure> failure;
};
std::optional<ControlEnd> parse_end_line(std::string_view line);

// The "reload" answer, a line: {"changes": [...], "warnings": [...], "errors": [...]}.
struct ReloadAnswer {
  std::vector<std::string> changes;
  std::vector<std::string> warnings;
  std::vector<std::string> errors;  // of the file: then nothing was changed
};
std::string to_line(const ReloadAnswer& answer);

// A piece of the "config" answer, a line: {"text": "..."}; together they are core/config_record.h's
// text.
std::string config_text_line(std::string_view text);

// One item of the "connections" or "persistence" answer, as a line at the end of `out`.
void append_line(std::string& out, const Connection& connection);
void append_line(std::string& out, const PersistentClient& client);

}  // namespace xlb
