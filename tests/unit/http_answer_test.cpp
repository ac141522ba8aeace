#include "core/http_answer.h"

#include <doctest/doctest.h>

#include <random>

using namespace xlb;

namespace {

constexpr size_t kMostHeadBytes = 16384;

struct Reading {
  bool over = false;
  bool failed = false;
  std::string text;
  int status = 0;
  std::string body;

  bool operator==(const Reading&) const = default;
};

// In pieces of `piece` bytes, then the connection's end if `closes`.
Reading read(std::string_view bytes, bool closes = false, size_t piece = 4096) {
  Reading result;
  HttpAnswer answer(
      kMostHeadBytes, [](int) { return true; },
      [&](std::string_view part) {
        result.body += part;
        return result.body.size() <= 100'000;
      });
  for (size_t at = 0; at < bytes.size(); at += piece)
    answer.received(bytes.substr(at, piece));
  if (closes) answer.closed();
  result.over = answer.over();
  result.failed = answer.failed();
  result.text = answer.text();
  result.status = answer.status();
  return result;
}

std::string text_of(std::string_view bytes, bool closes = false) {
  const Reading result = read(bytes, closes);
  CHECK(result.failed);
  return result.text;
}

}  // namespace

TEST_CASE("an answer ends at its length, its last chunk or the connection's end") {
  const Reading counted = read("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello and more");
  CHECK(counted.over);
  CHECK(counted.body == "hello");
  const std::string chunks = "5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\n";
  const Reading chunked = read("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, Chunked\n\n" + chunks);
  CHECK(chunked.over);
  CHECK(chunked.body == chunks);
  CHECK_FALSE(read("HTTP/1.0 200 OK\r\n\r\nhel").over);
  const Reading to_the_end = read("HTTP/1.0 200\r\n\r\nhello", true);
  CHECK(to_the_end.over);
  CHECK(to_the_end.body == "hello");
  CHECK(read("HTTP/1.1 204 No Content\r\n\r\n").over);
}

TEST_CASE("the same bytes in any pieces are the same answer") {
  const std::string bytes =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nX: y\r\n folded: 9\r\n"
      "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n";
  const Reading whole = read(bytes);
  CHECK(whole.over);
  CHECK_FALSE(whole.failed);
  CHECK(whole.status == 302);
  for (size_t piece = 1; piece < 20; ++piece)
    CHECK(read(bytes, false, piece) == whole);
}

TEST_CASE("a body that nobody wants is not read") {
  HttpAnswer answer(
      kMostHeadBytes, [](int status) { return status == 500; },
      [](std::string_view) { return false; });
  answer.received("HTTP/1.0 404 No\r\nContent-Length: 99\r\n\r\n");
  CHECK(answer.over());
  CHECK_FALSE(answer.failed());
  CHECK_FALSE(answer.body_wanted());
  CHECK(answer.status() == 404);
}

TEST_CASE("what is no HTTP is told as soon as it can be") {
  for (const std::string_view bytes :
       {"220 mail", "SSH-2.0-x\r\n", "<html>", "HTTP/2 200\r\n", "HTTP/1.1 20x OK\r\n",
        "HTTP/1.1 2000\r\n", "HTTP/1.1 099 x\r\n", "\r\n", "HTTP/1.1\r\n"})
    CHECK(text_of(bytes) == "the answer is not HTTP");
  CHECK(text_of(std::string_view("\0\0", 2)) == "the answer is not HTTP");
}

TEST_CASE("lengths and chunks that cannot be are refused") {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  CHECK(text_of(head + "Content-Length: 18446744073709551616\r\n") ==
        "the answer's Content-Length is no number");
  CHECK(text_of(head + "Content-Length: -1\r\n") == "the answer's Content-Length is no number");
  CHECK(text_of(head + "Content-Length:\r\n") == "the answer's Content-Length is no number");
  CHECK(text_of(head + "Content-Length: 1\r\nContent-Length: 2\r\n") ==
        "the answer has two Content-Lengths");
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  for (const std::string_view bytes :
       {"x\r\n", "\r\n", "-1\r\n", "11111111111111111\r\n", "1\r\nab\r\n", "0x5\r\n"})
    CHECK(text_of(chunked + std::string(bytes)) == "the answer's chunks are malformed");
  CHECK(text_of(chunked + std::string(300, '0')) == "the answer's chunks are malformed");
}

TEST_CASE("heads and trailers are bounded together") {
  const std::string many(20'000, 'x');
  CHECK(text_of("HTTP/1.0 200 OK\r\nX: " + many) == "headers larger than 16 KiB");
  std::string interim;
  while (interim.size() < 20'000)
    interim += "HTTP/1.1 100 Continue\r\n\r\n";
  CHECK(text_of(interim) == "headers larger than 16 KiB");
  CHECK(text_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + many) ==
        "headers larger than 16 KiB");
}

TEST_CASE("a connection that ends early says where") {
  CHECK(text_of("", true) == "connection closed without an answer");
  CHECK(text_of("HTTP/1.0 200 OK\r\nX: y\r\n", true) == "connection closed inside the headers");
  CHECK(text_of("HTT", true) == "connection closed inside the headers");
  CHECK(text_of("HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello", true) ==
        "connection closed after 5 of 9 bytes");
  CHECK(text_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", true) ==
        "connection closed inside a chunked body");
}

TEST_CASE("no bytes lead the answer's reader astray") {
  std::mt19937 random(11);  // NOLINT: repeatable
  const std::string good =
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: "
      "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (auto change = random() % 6; change > 0; --change)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    const Reading whole = read(bytes, true);
    CHECK(whole.over);
    CHECK(read(bytes, true, 1 + random() % 7) == whole);
  }
}
