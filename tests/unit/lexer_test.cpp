#include "core/lexer.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

using namespace xlb;

namespace {

struct Lexed {
  std::string text;  // "word(line:column) ... {" a line
  std::vector<LexProblem> problems;
};

Lexed lex(std::string_view text) {
  Lexed result;
  Lexer lexer(text);
  Line line;
  for (lexer.next(line, result.problems); line.kind != Line::Kind::end;
       lexer.next(line, result.problems)) {
    for (const Word& word : line.words) {
      result.text += fmt::format("{}({}:{}) ", word.text, word.spot.line, word.spot.column);
    }
    if (line.kind == Line::Kind::close) {
      result.text += fmt::format("}}({}:{}) ", line.spot.line, line.spot.column);
    }
    if (line.opens) result.text += fmt::format("{{({}:{}) ", line.brace.line, line.brace.column);
    result.text += "| ";
  }
  return result;
}

}  // namespace

TEST_CASE("the lexer gives each word its line and column") {
  CHECK(lex("a b\n  c\td\n").text == "a(1:1) b(1:3) | c(2:3) d(2:5) | ");
  CHECK(lex("").text.empty());
  CHECK(lex("\n\n \t\n").text.empty());
}

TEST_CASE("braces are words of their own wherever they stand") {
  CHECK(lex("a{b c}d").text == "a(1:1) {(1:2) | b(1:3) c(1:5) | }(1:6) | d(1:7) | ");
  CHECK(lex("a b { c }").text == "a(1:1) b(1:3) {(1:5) | c(1:7) | }(1:9) | ");
  CHECK(lex("a b # why\n\n  {\n}").text == "a(1:1) b(1:3) {(3:3) | }(4:1) | ");
  CHECK(lex("{").text == "{(1:1) | ");
}

TEST_CASE("comments go to the end of the line but not into quotes") {
  CHECK(lex("# a\n! b\nc # d\ne").text == "c(3:1) | e(4:1) | ");
  CHECK(lex("\"a # b\" '!c'").text == "a # b(1:1) !c(1:9) | ");
  CHECK(lex("a # no newline at the end").text == "a(1:1) | ");
}

TEST_CASE("a comment glued to a word ends it, with a warning") {
  const Lexed lexed = lex("auth_pass pa!ss");
  CHECK(lexed.text == "auth_pass(1:1) pa(1:11) | ");
  REQUIRE(lexed.problems.size() == 1);
  CHECK(lexed.problems[0].spot.column == 13);
  CHECK_FALSE(lexed.problems[0].error);
}

TEST_CASE("quotes hold blanks and braces, and escapes count in them") {
  CHECK(lex(R"("a {b}" 'c "d"')").text == "a {b}(1:1) c \"d\"(1:9) | ");
  CHECK(lex(R"("\"x\" \\ \t\101\x42\q")").text == "\"x\" \\ \tABq(1:1) | ");
  CHECK(lex(R"("")").text == "(1:1) | ");
  CHECK(lex("it's").text == "it's(1:1) | ");
}

TEST_CASE("a quote that is not closed on its line is an error at the quote") {
  const Lexed lexed = lex("a \"b c\nd");
  CHECK(lexed.text == "a(1:1) b c(1:3) | d(2:1) | ");
  REQUIRE(lexed.problems.size() == 1);
  CHECK(lexed.problems[0].error);
  CHECK(lexed.problems[0].spot.column == 3);
}

TEST_CASE("carriage returns and a byte order mark are not seen") {
  CHECK(lex("\xef\xbb\xbf"
            "a b\r\nc {\r\n}\r\n")
            .text == "a(1:1) b(1:3) | c(2:1) {(2:3) | }(3:1) | ");
}

TEST_CASE("a NUL byte is one error however many there are") {
  const Lexed lexed = lex(std::string_view("a\0\0b\n\0c", 7));
  CHECK(lexed.text == "a(1:1) b(1:4) | c(2:2) | ");
  CHECK(lexed.problems.size() == 1);
  CHECK(lex("\"\\000\"").problems.size() == 1);
}

TEST_CASE("an include pattern may hold braces, a word may hold a variable") {
  CHECK(lex("include /etc/{a,b}.conf\nx").text == "include(1:1) /etc/{a,b}.conf(1:9) | x(2:1) | ");
  CHECK(lex("a ${B}c}").text == "a(1:1) ${B}c(1:3) | }(1:8) | ");
}

TEST_CASE("every text ends") {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const char text[] = {static_cast<char>(first), static_cast<char>(second)};
      const Lexed lexed = lex(std::string_view(text, 2));
      CHECK(lexed.text.size() < 100);
    }
  }
}

TEST_CASE("a line has a most number of words, and the next line is read as usual") {
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text += "a ";
  std::vector<LexProblem> problems;
  text += "\nb";
  Lexer lexer(text);
  Line line;
  lexer.next(line, problems);
  CHECK(line.words.size() == 4096);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].error);
  lexer.next(line, problems);
  CHECK(line.words[0].text == "b");
}

TEST_CASE("a command line is split at blanks outside quotes") {
  using Words = std::vector<std::string>;
  CHECK(split_command("/a/b del 10.10.0.3") == Words{"/a/b", "del", "10.10.0.3"});
  CHECK(split_command("  /a  'b c' \"d 'e'\" f\\ g ") == Words{"/a", "b c", "d 'e'", "f g"});
  CHECK(split_command("x ''") == Words{"x", ""});
  CHECK(split_command("").empty());
}
