#include "dataplane_plan.h"

#include <charconv>
#include <nlohmann/json.hpp>

namespace xlb::bench {
namespace {

using Json = nlohmann::json;

std::vector<uint8_t> bytes(const std::string& text) {
  std::vector<uint8_t> result(text.size() / 2);
  for (size_t i = 0; i < result.size(); i++)
    (void)std::from_chars(text.data() + 2 * i, text.data() + 2 * i + 2, result[i], 16);
  return result;
}

Stream stream(const Json& json) {
  return {.frame = bytes(json.at("frame")),
          .client_at = json.value("client_at", 0U),
          .port_at = json.value("port_at", 0U),
          .server_at = json.value("server_at", 0U),
          .ip_check_at = json.value("ip_check_at", 0U),
          .transport_check_at = json.value("transport_check_at", 0U),
          .transport_check_covers_addresses = json.value("transport_check_covers_addresses", false),
          .servers = json.value("servers", 1U),
          .flow_mask = json.value("flow_mask", 0U),
          .live = json.value("live", false)};
}

std::vector<Stream> streams(const Json& json) {
  std::vector<Stream> result;
  for (const Json& one : json)
    result.push_back(stream(one));
  return result;
}

Place place(const Json& json) {
  return {.network_namespace = json.at("network_namespace"), .interface = json.at("interface")};
}

Subject subject(const Json& json) {
  Subject result{.label = json.at("label"),
                 .program = json.at("program"),
                 .place = place(json.at("place")),
                 .verdict = json.at("verdict"),
                 .forwarded = json.value("forwarded", false),
                 .encapsulated = json.value("encapsulated", false),
                 .far_end = {},
                 .openings = streams(json.at("openings")),
                 .measured = stream(json.at("measured"))};
  if (json.contains("far_end")) result.far_end = place(json.at("far_end"));
  return result;
}

Class traffic_class(const Json& json) {
  Class result{.name = json.at("name"),
               .packets = json.at("packets"),
               .flows = json.at("flows"),
               .fresh_before = json.value("fresh_before", 0U),
               .subjects = {}};
  for (const Json& one : json.at("subjects"))
    result.subjects.push_back(subject(one));
  return result;
}

LruSetup lru(const Json& json) {
  LruSetup result{.flows = json.at("flows"),
                  .destination_mac = bytes(json.at("destination_mac")),
                  .source_mac = bytes(json.at("source_mac")),
                  .servers = {}};
  for (const Json& one : json.at("servers"))
    result.servers.push_back({.address = bytes(one.at("address")),
                              .port = one.at("port"),
                              .protocol = one.at("protocol")});
  return result;
}

}  // namespace

Result<Plan> parse_plan(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    Plan plan{.cpu = json.at("cpu"),
              .rounds = json.at("rounds"),
              .lru = lru(json.at("lru")),
              .classes = {}};
    for (const Json& one : json.at("classes"))
      plan.classes.push_back(traffic_class(one));
    return plan;
  } catch (const Json::exception& error) {
    return fail("cannot read the plan: {}", error.what());
  }
}

Result<Watch> parse_watch(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    return Watch{.program = json.at("program"),
                 .place = place(json.at("place")),
                 .stream = stream(json.at("stream")),
                 .connections = json.value("connections", 1U),
                 .mac = bytes(json.value("mac", "")),
                 .some = json.value("some", false),
                 .timeout_s = json.at("timeout_s")};
  } catch (const Json::exception& error) {
    return fail("cannot read what to watch: {}", error.what());
  }
}

}  // namespace xlb::bench
