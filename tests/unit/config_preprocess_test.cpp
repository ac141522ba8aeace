// Variables, conditions, ~SEQ and ~LST: what they expand to, where errors in it are, and that no
// input makes them run away.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

#include "config_source.h"
#include "core/config_parse_source.h"

using namespace xlb;

namespace {

struct Expanded {
  std::string text;      // the words of each line between commas; `{` and `}` as they come
  std::string problems;  // one a line
};

Expanded expand_file(test::MemoryReader& reader, const std::string& path,
                     const std::string& config_id = "main") {
  ParseOptions options;
  options.config_id = config_id;
  parse::SourceCache cache(reader);
  parse::Problems problems;
  parse::StatementSource source(path, cache, problems, options);
  Expanded result;
  Line line;
  for (source.next(line); line.kind != Line::Kind::end; source.next(line)) {
    if (!result.text.empty()) result.text += ", ";
    if (line.kind == Line::Kind::close) result.text += "}";
    for (const Word& word : line.words) {
      if (!result.text.empty() && result.text.back() != ' ') result.text += ' ';
      result.text += word.text;
    }
    if (line.opens) result.text += " {";
    if (result.text.size() > 100'000) break;
  }
  for (const Diagnostic& diagnostic : problems.take_in_order())
    result.problems += to_string(diagnostic) + "\n";
  return result;
}

Expanded expand(std::string text, const std::string& config_id = "main") {
  test::MemoryReader reader;
  reader.files["x.conf"] = std::move(text);
  return expand_file(reader, "x.conf", config_id);
}

struct Row {
  std::string_view text;
  std::string_view expanded;
};

void check_rows(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const Expanded result = expand(std::string(row.text));
    CHECK(result.text == row.expanded);
    CHECK(result.problems.empty());
  }
}

const Diagnostic& about(const ParseOutcome& outcome, std::string_view text) {
  for (const Diagnostic& diagnostic : outcome.diagnostics) {
    if (diagnostic.text.find(text) != std::string::npos) return diagnostic;
  }
  FAIL("no diagnostic says: " << text << '\n' << test::report(outcome));
  throw std::logic_error("unreachable");
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

TEST_CASE("a variable is replaced where keepalived replaces it") {
  check_rows({
      {"$A=va\nx_${A}_1 $A", "x_va_1 va"},
      {"$A=va\n$A,x (${A})", "va,x (va)"},
      {"$A=va\nx$A)b", "xva)b"},
      {"$A=va\n\"q ${A} b\" c", "q va b c"},
      {"$A=va  # why\nx$A", "xva"},
      {"$A=\"two words\"\nx $A", "x two words"},
      {"$A=\nx${A}y", "xy"},
      {"  $A=1\n\t$A=2\nx $A", "x 2"},
      {"$1A=x", "$1A=x"},
      {"$A=1 { a }\nb $A", "b 1 {, a, }"},
  });
}

TEST_CASE("values are replaced at use, in values too and in names") {
  check_rows({
      {"$B=10.2.${S}\n$S=0\n${B}.100\n$S=10\n${B}.100", "10.2.0.100, 10.2.10.100"},
      {"$N=1\n$V_1=one\nx ${V_${N}}", "x one"},
  });
}

TEST_CASE("a definition of several lines becomes several lines") {
  check_rows({
      {"$M= \\\n a 1 \\\n b { \\\n c # no\nafter\n$M\n}", "after, a 1, b {, c, }"},
      {"$M=a \\\nb\nx $M\ny${M}", "x a, b, ya, b"},
      {"$M= \\\na \\\n\nb\n$M", "b, a"},
      {"$M= \\\nn$N \\\nm\n$N=1\n$M\n$N=2\n$M", "n1, m, n2, m"},
      {"$I= \\\ni1 \\\ni2\n$O= \\\no1 \\\n$I \\\no2\n$O", "o1, i1, i2, o2"},
      {"$M= \\\n$K=7 \\\nk$K \\\n@main yes \\\n@other no\n$M", "k7, yes"},
      {"$H= \\\nblock x \\\n{ \\\n} \n$H\nafter", "block x {, }, after"},
  });
}

TEST_CASE("a line for one configuration id") {
  check_rows({
      {"@main a\n@other b\n@^main c\n@^other d", "a, d"},
      {"@main\n@ x\n@^ y", "y"},
      {" @main $A=1\n@other $A=2\nx $A", "x 1"},
      {"$IF=@main\n$IF a\n$IF2=@other\n$IF2 b", "a"},
      {"@main @^other a", "a"},
      {"b {\n@main c\n@other d }\n}", "b {, c, }"},
  });
  CHECK(expand("@main a\n@other b", "other").text == "b");
  CHECK(expand("x ${_INSTANCE}", "other").text == "x other");
}

TEST_CASE("~SEQ repeats its line") {
  check_rows({
      {"~SEQ(S,1,3) a$S", "a1, a2, a3"},
      {"~SEQ(S, 3) a$S", "a1, a2, a3"},
      {"~SEQ(S,-2) a$S", "a-1, a-2"},
      {"~SEQ(S,0) a$S", "a1, a0"},
      {"~SEQ(S,5,-2,1) a$S", "a5, a3, a1"},
      {"~SEQ(S,5,1) a$S", "a5, a4, a3, a2, a1"},
      {"~SEQx(S,8,4,16) a$S", "a8, ac, a10"},
      {"~SEQ(S,0x10,0x12)a$S", "a16, a17, a18"},
      {"~SEQ(S,1,2) ~SEQ(T,8,9) a${S}_${T}", "a1_8, a1_9, a2_8, a2_9"},
      {"$END=2\n~SEQ (S,1,$END) a$S", "a1, a2"},
      {"~SEQ(S,1,2) a$S { b }", "a1 {, b, }, a2 {, b, }"},
      {"$L=~SEQ(S,1,2)\n$L a$S", "a1, a2"},
      {"$B= \\\nb1$S \\\nb2$S\n~SEQ(S,1,2) $B", "b11, b21, b12, b22"},
      {"~SEQ(S,1,2) @main a$S\n@other ~SEQ(S,1,2) b", "a1, a2"},
      {"~SEQ(S,1,2)\nafter", "after"},
  });
  for (const char* wrong : {"~SEQ(S,1,0,5) a", "~SEQ(S,5,2,1) a", "~SEQ(S,1,x) a", "~SEQ(S) a",
                            "~SEQ(1,2) a", "~SEQ a", "~SEQx(S,-1) a", "~SEQ(S,1,2 a"}) {
    CAPTURE(wrong);
    const Expanded result = expand(wrong);
    CHECK(result.text.empty());
    CHECK(contains(result.problems, "x.conf:1:1: error"));
  }
}

TEST_CASE("~LST repeats its line") {
  check_rows({
      {"~LST(L,a,b,c) x$L", "xa, xb, xc"},
      {"~LST({L,   K},  {10,1},{20,4}) x${L}.$K", "x10.1, x20.4"},
      {"~LST({L,K},{a,1},{b}) x${L}${K}", "xa1, xb"},
      {"~LST(I, 1, 2) ~LST(J, 5,6) ${I}.$J", "1.5, 1.6, 2.5, 2.6"},
      {"~LST(L,) x$L", "x"},
  });
  CHECK(contains(expand("~LST(L) x").problems, "error"));
}

TEST_CASE("the predefined variables") {
  check_rows({
      {"a \"b${_HASH}c ${_BANG}\"", "a b#c !"},
      {"x${_RANDOM 5 5} y${_RANDOM 7 7}", "x5 y7"},
      {"x ${_PWD}", "x ."},
      {"x \"${FREE}\"", "x ${FREE}"},
  });
  CHECK(contains(expand("x ${FREE}").problems, "1:3: warning: `$FREE` is not defined"));
  CHECK(contains(expand("$FRED=1\nx $FREE y").problems, "did you mean `$FRED`?"));
}

TEST_CASE("a variable that holds ${_HASH} or ${_BANG} switches lines off") {
  check_rows({
      {"$OFF=${_HASH}\n$OFF x 1\ny\n  ${_BANG} z", "y"},
      {"$ON=\n$ON x 1", "x 1"},
      {"$OFF=${_HASH}\n$B= \\\n x \\\n $OFF y \\\n z\n\n$B", "x, z"},
  });
}

TEST_CASE("an included file defines and uses the same variables") {
  test::MemoryReader reader(
      {{"main", "$A=1\ninclude b\nx $B\n@main include c"}, {"b", "$B=b$A\ny $A"}, {"c", "z"}});
  CHECK(expand_file(reader, "main").text == "y 1, x b1, z");
}

TEST_CASE("an error in a value is shown at its use and at its definition") {
  const auto outcome = test::parse_text(
      "$RS= \\\n  real_server 10.0.0.2 80 { \\\n    wieght 1 \\\n  }\n"
      "virtual_server 10.0.0.1 80 {\n  $RS\n}\n");
  const std::string text = explain(about(outcome, "unknown word `wieght`"));
  CHECK(contains(text, "x.conf:6:3: error: unknown word `wieght` in real_server"));
  CHECK(contains(text, "      6 |   $RS\n        |   ^~~\n"));
  CHECK(contains(text,
                 "  x.conf:3:5: in the value of $RS\n      3 |     wieght 1 \\\n"
                 "        |     ^~~~~~"));
}

TEST_CASE("an error in repeated or substituted text is at its own column") {
  const auto outcome =
      test::parse_text("~SEQ(I,1,2) virtual_server 10.0.0.${I} 80 { lb_algo nope }\n");
  CHECK(to_string(about(outcome, "scheduler `nope`").place) == "x.conf:1:53");
  const auto value = test::parse_text("$P=http\nvirtual_server 10.0.0.1 $P {\n}\n");
  const Diagnostic& port = about(value, "`http`");
  CHECK(to_string(port.place) == "x.conf:2:25");
  REQUIRE(port.definition.has_value());
  CHECK(to_string(port.definition->place) == "x.conf:1:1");
}

TEST_CASE("expansions without end are errors in bounded time and memory") {
  for (const char* bomb :
       {"$A=$A\nx $A", "$A=${A}${A}x\nx $A", "$A= \\\n$A \\\n$A\n$A", "$A=@main $A\n$A x",
        "$A=${B}${B}${B}${B}\n$B=${C}${C}${C}${C}\n$C=${D}${D}${D}${D}\n$D=${E}${E}${E}${E}\n"
        "$E=${F}${F}${F}${F}\n$F=${G}${G}${G}${G}\n$G=${H}${H}${H}${H}\n$H=xxxxxxxx\n$A x",
        "~SEQ(A,1,1000000000) @other x", "~SEQ(A,1,9000000) ~SEQ(B,1,9000000) @other x",
        "$A=~SEQ(S,1,2) $A\n$A x"}) {
    CAPTURE(bomb);
    const Expanded result = expand(bomb);
    CHECK(contains(result.problems, "error"));
    CHECK(result.text.size() < 100'000);
  }
}
