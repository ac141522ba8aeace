#include "core/diagnostic.h"

#include <doctest/doctest.h>

#include <string>

using namespace xlb;

TEST_CASE("a diagnostic reads FILE:LINE:COL: severity: what, and the hint below") {
  const Diagnostic diagnostic{
      Diagnostic::Severity::error, {"/etc/xlb/xlb.conf", 12, 5}, "what", "do this"};
  CHECK(to_string(diagnostic) == "/etc/xlb/xlb.conf:12:5: error: what\n  hint: do this");
  CHECK(to_string(Diagnostic{Diagnostic::Severity::warning, {"a", 1, 1}, "what", ""}) ==
        "a:1:1: warning: what");
}

TEST_CASE("quoted text cannot drive a terminal and is cut when long") {
  CHECK(quoted("weigth") == "`weigth`");
  CHECK(quoted("a\x1b[31m\n") == "`a\\x1b[31m\\x0a`");
  CHECK(quoted(std::string(100, 'x')) == "`" + std::string(60, 'x') + "...`");
  CHECK(quoted(std::string(59, 'x') + "\xc3\xa9 and more") == "`" + std::string(59, 'x') + "...`");
}
