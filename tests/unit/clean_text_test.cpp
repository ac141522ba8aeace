#include "core/clean_text.h"

#include <doctest/doctest.h>

using namespace xlb;

TEST_CASE("text that is good stays as it is") {
  for (const char* text : {"", "HTTP 200", "a\nb", "caf\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x90\x9d"})
    CHECK(clean_text(text) == text);
}

TEST_CASE("what is not UTF-8, and control characters, become U+FFFD") {
  const std::string mark = "\xef\xbf\xbd";
  CHECK(clean_text("a\x1b[2J\r\t\x7f") == "a" + mark + "[2J" + mark + mark + mark);
  CHECK(clean_text("\xc2\x9b") == mark);  // C1
  CHECK(clean_text("\xff"
                   "a\x80") == mark + "a" + mark);
  CHECK(clean_text("\xc0\xaf") == mark + mark);                        // overlong
  CHECK(clean_text("\xe0\x80\xaf") == mark + mark + mark);             // overlong
  CHECK(clean_text("\xed\xa0\x80") == mark + mark + mark);             // surrogate
  CHECK(clean_text("\xf4\x90\x80\x80") == mark + mark + mark + mark);  // beyond U+10FFFF
  CHECK(clean_text("\xe2\x86") == mark + mark);                        // cut off
  CHECK(clean_text(std::string_view("a\0b", 3)) == "a" + mark + "b");
}
