#include "io/probe/md5.h"

#include <openssl/evp.h>

#include <array>
#include <cstdlib>
#include <utility>

namespace xlb {
namespace {

// Looked up once: OpenSSL would search its providers for every body.
const EVP_MD* algorithm() {
  static const EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
  return md5;
}

}  // namespace

void Md5::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Md5::Md5(std::unique_ptr<evp_md_ctx_st, Free> context) : context_(std::move(context)) {}

Result<Md5> Md5::create() {
  std::unique_ptr<evp_md_ctx_st, Free> context(EVP_MD_CTX_new());
  if (!context || algorithm() == nullptr ||
      EVP_DigestInit_ex2(context.get(), algorithm(), nullptr) != 1) {
    return fail("cannot compute MD5: OpenSSL refuses it (FIPS mode?)");
  }
  return Md5(std::move(context));
}

// Once initialised, MD5 itself cannot fail: an error means a broken invariant.
void Md5::update(std::string_view bytes) {
  if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) std::abort();
}

std::string Md5::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), &length) != 1) std::abort();
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2UL * length);
  for (unsigned i = 0; i < length; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

}  // namespace xlb
