// MD5 of a stream, by OpenSSL: what an HTTP_GET `digest` is compared with. Nothing secret depends
// on it; MD5 because keepalived.conf says so.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_md_ctx_st;

namespace xlb {

class Md5 {
 public:
  // Fails where OpenSSL refuses MD5 (FIPS mode).
  static Result<Md5> create();

  void update(std::string_view bytes);
  // 32 lower-case hex digits. Ends the stream: call once.
  [[nodiscard]] std::string finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  explicit Md5(std::unique_ptr<evp_md_ctx_st, Free> context);

  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace xlb
