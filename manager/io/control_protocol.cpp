#include "io/control_protocol.h"

#include <nlohmann/json.hpp>

namespace xlb {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kEndMark = "{\"end\":";

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Result<ControlRequest> parse_control_request(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return fail("cannot read the request: not a JSON object");
  ControlRequest request;
  for (const auto& member : json.items()) {
    if (!member.value().is_string()) {
      return fail("cannot read the request: \"{}\" is not a string", member.key());
    }
    request.arguments[member.key()] = member.value().get<std::string>();
  }
  auto command = request.arguments.extract("command");
  if (command.empty()) return fail("cannot read the request: it has no \"command\"");
  request.command = std::move(command.mapped());
  return request;
}

std::string to_line(const ControlRequest& request) {
  Json json{{"command", request.command}};
  for (const auto& [name, value] : request.arguments)
    json[name] = value;
  return dump(json) + "\n";
}

std::string end_line(const std::optional<ControlFailure>& failure) {
  Json end{{"ok", !failure}};
  if (failure) {
    end["exit_status"] = failure->exit_status;
    end["error"] = failure->error;
    end["hint"] = failure->hint;
  }
  return dump(Json{{"end", end}}) + "\n";
}

std::optional<ControlEnd> parse_end_line(std::string_view line) {
  if (line.substr(0, kEndMark.size()) != kEndMark) return std::nullopt;
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("end") || !json["end"].is_object()) return std::nullopt;
  const Json& end = json["end"];
  const auto ok = end.find("ok");
  if (ok != end.end() && *ok == true) return ControlEnd{};
  ControlFailure failure;
  const auto exit_status = end.find("exit_status");
  if (exit_status != end.end() && exit_status->is_number_integer()) {
    failure.exit_status = exit_status->get<int>();
  }
  failure.error = text_of(end, "error");
  failure.hint = text_of(end, "hint");
  return ControlEnd{failure};
}

std::string to_line(const ReloadAnswer& answer) {
  Json line;
  line["changes"] = answer.changes;
  line["warnings"] = answer.warnings;
  line["errors"] = answer.errors;
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string config_text_line(std::string_view text) {
  return dump(Json{{"text", text}}) + "\n";
}

// Written by hand: there may be millions, and no member needs escaping.
void append_line(std::string& out, const Connection& connection) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"protocol":"{}","state":"{}","expires_in_s":{},)"
                 R"("client_address":"{}","client_port":{},)"
                 R"("virtual_address":"{}","virtual_port":{},)"
                 R"("real_address":"{}","real_port":{}}})"
                 "\n",
                 name_of(connection.protocol), connection.state, connection.expires_in.count(),
                 connection.client.address, connection.client.port,
                 connection.virtual_server.address, connection.virtual_server.port,
                 connection.real_server.address, connection.real_server.port);
}

void append_line(std::string& out, const PersistentClient& client) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"protocol":"{}","expires_in_s":{},"live":{},"client_address":"{}",)"
                 R"("virtual_address":"{}","virtual_port":{},)"
                 R"("real_address":"{}","real_port":{}}})"
                 "\n",
                 name_of(client.protocol), client.expires_in.count(), client.live, client.client,
                 client.virtual_server.address, client.virtual_server.port,
                 client.real_server.address, client.real_server.port);
}

}  // namespace xlb
