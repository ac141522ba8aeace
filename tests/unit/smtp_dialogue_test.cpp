#include "core/smtp_dialogue.h"

#include <doctest/doctest.h>

#include <random>

using namespace xlb;

using State = SmtpDialogue::State;

TEST_CASE("a mail server that greets, answers HELO and QUIT passes") {
  SmtpDialogue dialogue("director.example.org");
  CHECK(dialogue.received("220 mail.example.org ESMTP\r\n") == "HELO director.example.org\r\n");
  CHECK(dialogue.received("250 pleased to meet you\r\n") == "QUIT\r\n");
  CHECK(dialogue.state() == State::quit);
  CHECK(dialogue.received("221 bye\r\n").empty());
  CHECK(dialogue.state() == State::passed);
  CHECK(dialogue.text() == "greeting 220, HELO 250");
}

TEST_CASE("replies may have several lines and come in any pieces") {
  SmtpDialogue dialogue("x");
  CHECK(dialogue.received("220-hello").empty());
  CHECK(dialogue.received("\r\n2").empty());
  CHECK(dialogue.received("20 ready\n250-a\n250 b\n") == "HELO x\r\nQUIT\r\n");
  dialogue.closed();
  CHECK(dialogue.state() == State::passed);
}

TEST_CASE("another reply fails and is told, control characters aside") {
  SmtpDialogue busy("x");
  CHECK(busy.received("554 go away\r\n").empty());
  CHECK(busy.state() == State::failed);
  CHECK(busy.text() == "greeting is '554 go away', expected 220");
  SmtpDialogue refused("x");
  refused.received("220 x\r\n");
  refused.received("501 \x1b[31m\r\n");
  CHECK(refused.text() == "reply to HELO is '501 \xef\xbf\xbd[31m', expected 250");
  SmtpDialogue web("x");
  web.received("HTTP/1.1 400 Bad Request\r\n");
  CHECK(web.text() == "greeting is 'HTTP/1.1 400 Bad Request', expected 220");
}

TEST_CASE("a connection that ends early fails and says what was awaited") {
  SmtpDialogue dialogue("x");
  dialogue.closed();
  CHECK(dialogue.text() == "connection closed, greeting awaited");
  SmtpDialogue later("x");
  later.received("220 x\n");
  later.closed();
  CHECK(later.text() == "connection closed, reply to HELO awaited");
}

TEST_CASE("floods of banner fail at their bounds") {
  SmtpDialogue long_line("x");
  while (!long_line.over())
    long_line.received("220-aaaaaaaaaaaaaaaaaaaaaaaa");
  CHECK(long_line.text() == "greeting: a line is longer than 1024 bytes");
  SmtpDialogue many_lines("x");
  while (!many_lines.over())
    many_lines.received("220-a\r\n");
  CHECK(many_lines.text() == "greeting: more than 64 lines");
}

TEST_CASE("no bytes lead the dialogue astray") {
  std::mt19937 random(7);  // NOLINT: repeatable
  const std::string alphabet = "250-\r\n1 x";
  for (int round = 0; round < 20'000; ++round) {
    SmtpDialogue dialogue("x");
    for (int piece = 0; piece < 20 && !dialogue.over(); ++piece) {
      std::string bytes;
      for (auto size = random() % 12; size > 0; --size)
        bytes += alphabet[random() % alphabet.size()];
      dialogue.received(bytes);
    }
    dialogue.closed();
    CHECK(dialogue.over());
  }
}
