// The DNS messages of DNS_CHECK (RFC 1035): one question, and what an answer to it is. Not a
// resolver: which records an answer has does not matter, only that a server gave it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace xlb {

struct DnsQuestion {
  uint16_t id = 0;
  uint16_t type = 6;       // SOA
  std::string name = ".";  // labels of 1 to 63 bytes, 253 in all
};

// As sent over UDP; recursion desired, class IN.
std::vector<uint8_t> dns_query(const DnsQuestion& question);

enum class DnsAnswer : uint8_t {
  foreign,    // no answer to this question: somebody else's, too short, or a question itself
  malformed,  // an answer to it that cannot be read, or to another question under its number
  refused,    // its response code is not NOERROR
  good,
};
struct DnsReply {
  DnsAnswer answer = DnsAnswer::foreign;
  uint8_t response_code = 0;
};
DnsReply read_dns_reply(std::span<const uint8_t> bytes, const DnsQuestion& question);

// "SERVFAIL"; "response code 11" for one without a name.
std::string dns_response_code_name(uint8_t code);

}  // namespace xlb
