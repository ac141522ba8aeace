#include "io/nat_table.h"

#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>

#include <utility>

#include "base/unique_fd.h"

namespace xlb {
namespace {

// Deletes the table whether or not it is there.
constexpr std::string_view kDelete = "add table ip xlb\ndelete table ip xlb\n";

// libnftables' complaint without the quoted commands and underlining around it:
// "<cmdline>:5:1-9: Error: Could not process rule: No such file or directory\nadd rule ...\n^^^^".
std::string causes_in(std::string_view complaint) {
  constexpr std::string_view kMark = "Error: ";
  std::string causes;
  for (size_t at = 0; (at = complaint.find(kMark, at)) != std::string_view::npos;) {
    at += kMark.size();
    const std::string_view cause = complaint.substr(at, complaint.find('\n', at) - at);
    if (causes.find(cause) != std::string::npos) continue;  // one cause often fails every rule
    if (!causes.empty()) causes += "; ";
    causes += cause;
  }
  if (causes.empty()) causes = complaint.empty() ? "libnftables gives no reason" : complaint;
  return causes;
}

}  // namespace

Result<std::unique_ptr<NatTable>> NatTable::open() {
  // libnftables ends the process when it cannot have this socket; see first whether it can.
  const UniqueFd probe(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!probe.valid()) return fail_errno(errno, "cannot reach nftables");
  nft_ctx* context = nft_ctx_new(NFT_CTX_DEFAULT);
  if (context == nullptr) return fail_errno(ENOMEM, "cannot use libnftables");
  std::unique_ptr<NatTable> result(new NatTable(context));
  if (nft_ctx_buffer_output(context) != 0 || nft_ctx_buffer_error(context) != 0) {
    return fail_errno(ENOMEM, "cannot buffer libnftables' messages");
  }
  return result;
}

NatTable::NatTable(nft_ctx* context) : context_(context) {}
NatTable::~NatTable() {
  nft_ctx_free(context_);
}

Result<void> NatTable::apply(std::string_view commands) {
  if (!applied_.empty() && applied_ == commands) return {};
  applied_.clear();
  const std::string text(commands);
  auto result = run(text, "change");
  // A table that another version or hand made may have these chains on other hooks.
  if (!result && run(std::string(kDelete) + text, "replace").ok()) result = {};
  if (result) applied_ = text;
  return result;
}

Result<void> NatTable::reassert() {
  if (applied_.empty()) return {};
  return apply(std::exchange(applied_, {}));
}

Result<void> NatTable::remove() {
  applied_.clear();
  return run(std::string(kDelete), "delete");
}

Result<void> NatTable::run(const std::string& commands, std::string_view verb) {
  if (nft_run_cmd_from_buffer(context_, commands.c_str()) == 0) return {};
  return fail("cannot {} nftables table ip xlb: {}", verb,
              causes_in(nft_ctx_get_error_buffer(context_)));
}

}  // namespace xlb
