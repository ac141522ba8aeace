#include "io/probe/body_pattern.h"

#include <utility>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace xlb {
namespace {

// A search that needs more is given up: some milliseconds of the loop's time.
constexpr uint32_t kMatchLimit = 200'000;
constexpr uint32_t kDepthLimit = 20'000;
constexpr uint32_t kHeapLimitKib = 4096;

// In the order of kRegexOptions.
constexpr uint32_t kBits[] = {PCRE2_ALLOW_EMPTY_CLASS, PCRE2_ALT_BSUX,
                              PCRE2_AUTO_CALLOUT,      PCRE2_CASELESS,
                              PCRE2_DOLLAR_ENDONLY,    PCRE2_DOTALL,
                              PCRE2_DUPNAMES,          PCRE2_EXTENDED,
                              PCRE2_FIRSTLINE,         PCRE2_MATCH_UNSET_BACKREF,
                              PCRE2_MULTILINE,         PCRE2_NEVER_UCP,
                              PCRE2_NEVER_UTF,         PCRE2_NO_AUTO_CAPTURE,
                              PCRE2_NO_AUTO_POSSESS,   PCRE2_NO_DOTSTAR_ANCHOR,
                              PCRE2_NO_START_OPTIMIZE, PCRE2_UCP,
                              PCRE2_UNGREEDY,          PCRE2_UTF,
                              PCRE2_NEVER_BACKSLASH_C, PCRE2_ALT_CIRCUMFLEX,
                              PCRE2_ALT_VERBNAMES,     PCRE2_USE_OFFSET_LIMIT};
static_assert(std::size(kBits) == std::size(kRegexOptions));

uint32_t bits_of(const BodyPattern& pattern) {
  uint32_t bits = pattern.last_offset ? PCRE2_USE_OFFSET_LIMIT : 0;
  for (const std::string& option : pattern.options) {
    for (size_t i = 0; i < std::size(kRegexOptions); ++i) {
      if (kRegexOptions[i] == option) bits |= kBits[i];
    }
  }
  return bits;
}

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  if (pcre2_get_error_message(code, text, sizeof text) < 0) return fmt::format("error {}", code);
  return reinterpret_cast<const char*>(text);
}

struct Free {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

}  // namespace

struct BodySearch::Impl {
  std::unique_ptr<pcre2_code, Free> code;
  std::unique_ptr<pcre2_jit_stack, Free> stack;
  std::unique_ptr<pcre2_match_context, Free> context;
  std::unique_ptr<pcre2_match_data, Free> match;
  size_t first_offset = 0;
};

Result<std::unique_ptr<BodySearch>> BodySearch::create(const BodyPattern& pattern) {
  auto impl = std::make_unique<Impl>();
  int code = 0;
  PCRE2_SIZE at = 0;
  impl->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.expression.data()),
                                 pattern.expression.size(), bits_of(pattern), &code, &at, nullptr));
  if (!impl->code) return fail("{} (at {})", message_of(code), at);
  // Where there is no JIT compiler, PCRE2 interprets.
  (void)pcre2_jit_compile(impl->code.get(), PCRE2_JIT_COMPLETE);
  impl->context.reset(pcre2_match_context_create(nullptr));
  impl->match.reset(pcre2_match_data_create_from_pattern(impl->code.get(), nullptr));
  if (!impl->context || !impl->match) return fail("out of memory");
  pcre2_match_context* const context = impl->context.get();
  pcre2_set_match_limit(context, kMatchLimit);
  pcre2_set_depth_limit(context, kDepthLimit);
  pcre2_set_heap_limit(context, kHeapLimitKib);
  if (pattern.last_offset) pcre2_set_offset_limit(context, *pattern.last_offset);
  if (pattern.stack_most != 0) {
    impl->stack.reset(pcre2_jit_stack_create(pattern.stack_start, pattern.stack_most, nullptr));
    if (!impl->stack) return fail("cannot make its stack: out of memory");
    pcre2_jit_stack_assign(context, nullptr, impl->stack.get());
  }
  impl->first_offset = pattern.first_offset;
  return std::unique_ptr<BodySearch>(new BodySearch(std::move(impl)));
}

BodySearch::BodySearch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BodySearch::~BodySearch() = default;

Result<bool> BodySearch::matches(std::string_view body) const {
  if (impl_->first_offset > body.size()) return false;
  const int found =
      pcre2_match(impl_->code.get(), reinterpret_cast<PCRE2_SPTR>(body.data()), body.size(),
                  impl_->first_offset, 0, impl_->match.get(), impl_->context.get());
  if (found >= 0) return true;
  if (found == PCRE2_ERROR_NOMATCH) return false;
  return fail("search given up: {}", message_of(found));
}

const Result<std::unique_ptr<BodySearch>>& BodySearches::of(const BodyPattern& pattern) {
  const std::string key =
      fmt::format("{} {} {} {} {}\n{}", bits_of(pattern), pattern.first_offset,
                  pattern.last_offset ? static_cast<int64_t>(*pattern.last_offset) : -1,
                  pattern.stack_start, pattern.stack_most, pattern.expression);
  const auto known = compiled_.find(key);
  if (known != compiled_.end()) return known->second;
  return compiled_.emplace(key, BodySearch::create(pattern)).first->second;
}

}  // namespace xlb
