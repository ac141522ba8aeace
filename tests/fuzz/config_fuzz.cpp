// Feeds arbitrary bytes to the configuration parser. Beyond not crashing it checks what the daemon
// relies on: a refusal has an error, an accepted configuration has none and holds to the model's
// bounds. A file may include itself.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "core/config_parse.h"

namespace {

using namespace xlb;

class OneFile : public SourceReader {
 public:
  explicit OneFile(std::string text) : text_(std::move(text)) {}
  Result<std::string> read(const std::string& path) override {
    if (path.size() > 3) return fail("cannot read {}", path);
    return text_;
  }
  std::vector<std::string> glob(const std::string& pattern, const std::string&) override {
    return pattern == "*" ? std::vector<std::string>{"b", "c"} : std::vector{pattern};
  }

 private:
  std::string text_;
};

void require(bool condition) {
  if (!condition) std::abort();
}

void check_instance(const VrrpInstanceConfig& instance) {
  require(!instance.interface.empty() && instance.virtual_router_id != 0);
  require(instance.priority != 0 && instance.advert_interval.count() >= 10);
  require(instance.auth_password.size() <= 8 && instance.virtual_addresses.size() <= 255);
  require(!instance.notify || !instance.notify->argv.empty());
  require(instance.accept || instance.priority != 255 || !instance.protocol.strict);
  for (const VirtualAddress& address : instance.virtual_addresses)
    require(address.address.address.family() == instance.family);
}

void check_check(const CheckConfig& check) {
  const bool connects = check.kind != CheckKind::misc && check.kind != CheckKind::file &&
                        check.kind != CheckKind::ping;
  require(!connects || check.target.port != 0);
  require(check.timing.delay_loop.count() > 0 && check.timing.retry >= 0);
  const bool http = check.kind == CheckKind::http_get || check.kind == CheckKind::ssl_get;
  require(!http || !check.urls.empty());
  for (const HttpUrl& url : check.urls) {
    require(!url.path.empty() && url.path.find_first_of(" \r\n") == std::string::npos);
    require(!url.md5_digest || url.md5_digest->size() == 32);
    require(!url.pattern || !url.pattern->expression.empty());
  }
}

void check_server(const VirtualServerConfig& server) {
  require(server.quorum > 0 && server.hysteresis < server.quorum);
  require(server.key.port != 0 || server.key.mark != 0 || server.persistence_timeout ||
          !server.group.empty());
  for (const RealServerConfig& real : server.real_servers) {
    require(real.weight >= 0 && real.weight <= 65535);
    require(real.translated || !server.group.empty() || server.key.mark != 0 ||
            real.endpoint.port == server.key.port);
    for (const CheckConfig& check : real.checks)
      check_check(check);
  }
}

void check_model(const Config& config) {
  for (const VrrpInstanceConfig& instance : config.vrrp_instances)
    check_instance(instance);
  std::set<ServiceKey> keys;
  for (const VirtualServerConfig& server : config.virtual_servers) {
    check_server(server);
    for (const ServiceKey& key : keys_of(server))
      require(keys.insert(key).second);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  OneFile reader(std::string(reinterpret_cast<const char*>(bytes), size));
  for (const bool strict : {true, false}) {
    ParseOptions options;
    options.unknown_is_error = strict;
    options.config_id = "a";
    options.keep_text = options.keep_statements = true;
    const ParseOutcome outcome = parse_config("a", reader, options);
    bool has_error = false;
    for (const Diagnostic& diagnostic : outcome.diagnostics) {
      require(diagnostic.place.line > 0 && diagnostic.place.column > 0);
      require(to_string(diagnostic).find(diagnostic.text) != std::string::npos);
      require(explain(diagnostic).find(diagnostic.text) != std::string::npos);
      has_error = has_error || diagnostic.severity == Diagnostic::Severity::error;
    }
    require(outcome.config.has_value() != has_error);
    if (outcome.config) check_model(*outcome.config);
  }
  return 0;
}
