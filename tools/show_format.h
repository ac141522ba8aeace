// From the daemon's JSON to what `xlbctl show` prints. Pure: text from documents, no socket, no
// terminal. The layouts of ipvsadm's listings are kept byte for byte, so that scripts written for
// them go on working. Text from outside (reasons) is printed with its control characters replaced.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace xlb::show {

using Json = nlohmann::ordered_json;

// Tables made of the /v1/status document. Like `ipvsadm -L -n`, with `--stats` and `--rate`:
std::string services_table(const Json& status);
std::string stats_table(const Json& status);
std::string rate_table(const Json& status);
// and the others, with columns as wide as their content.
std::string vrrp_table(const Json& status);
std::string checks_table(const Json& status);
std::string neighbours_table(const Json& status);
std::string maps_table(const Json& status);
std::string drops_table(const Json& status);

// The part of the /v1/status document that each of these shows, for --json (docs/status.md).
Json stats_document(const Json& status);
Json rate_document(const Json& status);
Json vrrp_document(const Json& status);
Json checks_document(const Json& status);
Json neighbours_document(const Json& status);
Json maps_document(const Json& status);
Json drops_document(const Json& status);

// Listings that arrive item by item; like `ipvsadm -L -n -c`.
std::string connections_header();
std::string connection_row(const Json& connection);
std::string persistence_header();
std::string persistence_row(const Json& client);

}  // namespace xlb::show
