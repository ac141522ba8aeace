// DNS_CHECK's codec: the query's bytes, and what a hostile server may send instead of an answer.
#include "core/dns_message.h"

#include <doctest/doctest.h>

#include <random>

using namespace xlb;

namespace {

using Bytes = std::vector<uint8_t>;

const DnsQuestion kQuestion{0x1234, 1, "www.example.org"};

// The query as an answer with this code and these counts of records, which follow.
Bytes reply(uint8_t code = 0, uint8_t answers = 0, const Bytes& records = {}) {
  Bytes bytes = dns_query(kQuestion);
  bytes[2] |= 0x80;
  bytes[3] = static_cast<uint8_t>(0x80 | code);
  bytes[7] = answers;
  bytes.insert(bytes.end(), records.begin(), records.end());
  return bytes;
}

// A record of the name at 12: A 192.0.2.1.
const Bytes kRecord{0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};

DnsAnswer answer_of(const Bytes& bytes) {
  return read_dns_reply(bytes, kQuestion).answer;
}

}  // namespace

TEST_CASE("a DNS query has its question and asks for recursion") {
  CHECK(dns_query({0xbeef, 6, "."}) ==
        Bytes{0xbe, 0xef, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1});
  CHECK(dns_query({1, 28, "a.bc."}) ==
        Bytes{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 2, 'b', 'c', 0, 0, 28, 0, 1});
}

TEST_CASE("an answer without an error is good, whatever it says") {
  CHECK(answer_of(reply()) == DnsAnswer::good);
  CHECK(answer_of(reply(0, 1, kRecord)) == DnsAnswer::good);
  Bytes capitals = reply();
  capitals[13] = 'W';
  CHECK(answer_of(capitals) == DnsAnswer::good);
  Bytes no_question = reply();
  no_question.resize(12);
  no_question[5] = 0;
  CHECK(answer_of(no_question) == DnsAnswer::good);
}

TEST_CASE("a response code is a failure with its name") {
  const DnsReply failed = read_dns_reply(reply(2), kQuestion);
  CHECK(failed.answer == DnsAnswer::refused);
  CHECK(dns_response_code_name(failed.response_code) == "SERVFAIL");
  CHECK(dns_response_code_name(5) == "REFUSED");
  CHECK(dns_response_code_name(11) == "response code 11");
}

TEST_CASE("what is no answer to this question is waited past") {
  CHECK(answer_of({}) == DnsAnswer::foreign);
  CHECK(answer_of(Bytes(11, 0xff)) == DnsAnswer::foreign);
  Bytes other_number = reply();
  other_number[0] ^= 1;
  CHECK(answer_of(other_number) == DnsAnswer::foreign);
  CHECK(answer_of(dns_query(kQuestion)) == DnsAnswer::foreign);  // a reflector's
}

TEST_CASE("an answer that is cut off or is to another question is malformed") {
  Bytes other_name = reply();
  other_name[13] = 'x';
  CHECK(answer_of(other_name) == DnsAnswer::malformed);
  CHECK(answer_of(reply(0, 2, kRecord)) == DnsAnswer::malformed);
  const Bytes whole = reply(0, 1, kRecord);
  for (size_t size = 12; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(answer_of(Bytes(whole.begin(), whole.begin() + static_cast<long>(size))) ==
          DnsAnswer::malformed);
  }
  Bytes truncated(whole.begin(), whole.end() - 7);
  truncated[2] |= 0x02;  // which says so itself
  CHECK(answer_of(truncated) == DnsAnswer::good);
}

TEST_CASE("no bytes lead a DNS reply's reader astray") {
  std::mt19937 random(20260101);  // NOLINT: repeatable
  const Bytes whole = reply(0, 1, kRecord);
  for (int round = 0; round < 200'000; ++round) {
    Bytes bytes = whole;
    if (round % 3 == 0) bytes.resize(random() % 80);
    for (unsigned change = random() % 8; change > 0 && !bytes.empty(); --change)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    (void)read_dns_reply(bytes, kQuestion);
  }
  // Names that point at themselves end where they are.
  Bytes loop = reply(0, 1, kRecord);
  loop[dns_query(kQuestion).size() + 1] = static_cast<uint8_t>(dns_query(kQuestion).size());
  CHECK(answer_of(loop) == DnsAnswer::good);
}
