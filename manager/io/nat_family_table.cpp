#include "io/nat_family_table.h"

#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>

#include <utility>

#include "base/unique_fd.h"
#include "io/nat_reader.h"

namespace xlb {
namespace {

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

Result<std::unique_ptr<NatFamilyTable>> NatFamilyTable::open(AddressFamily family) {
  // libnftables ends the process when it cannot have this socket; see first whether it can.
  const UniqueFd probe(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!probe.valid()) return fail_errno(errno, "cannot reach nftables");
  nft_ctx* context = nft_ctx_new(NFT_CTX_DEFAULT);
  if (context == nullptr) return fail_errno(ENOMEM, "cannot use libnftables");
  std::unique_ptr<NatFamilyTable> result(new NatFamilyTable(context, family));
  if (nft_ctx_buffer_output(context) != 0 || nft_ctx_buffer_error(context) != 0) {
    return fail_errno(ENOMEM, "cannot buffer libnftables' messages");
  }
  return result;
}

NatFamilyTable::NatFamilyTable(nft_ctx* context, AddressFamily family)
    : context_(context), family_(family) {}
NatFamilyTable::~NatFamilyTable() {
  nft_ctx_free(context_);
}

Result<void> NatFamilyTable::apply(const NatState& state) {
  return apply(render(state, family_));
}

Result<void> NatFamilyTable::apply(NatRuleset desired) {
  list_names();
  if (desired.chains.empty()) return remove_if_present();
  NatRuleset nothing;
  nothing.family = desired.family;
  const NatRuleset before = std::exchange(applied_, nothing);
  const std::string change = transaction(before, desired);
  auto done = change.empty() ? Result<void>() : run(change, "change");
  // Somebody else may have changed what was applied.
  if (!done && !before.chains.empty()) done = run(transaction(nothing, desired), "change");
  // A table that another version or hand made may have these chains on other hooks.
  if (!done && run(deletion_of_all() + transaction(nothing, desired), "replace").ok()) done = {};
  if (!done) {
    listed_ = false;
    return done;
  }
  present_.chains.merge(names_of(desired).chains);
  present_.sets.merge(names_of(desired).sets);
  present_.counters.merge(names_of(desired).counters);
  applied_ = std::move(desired);
  delete_unwanted();
  return {};
}

// Nothing leads there any more, so a failure harms nobody; the next change tries again.
void NatFamilyTable::delete_unwanted() {
  const std::string commands = deletion(present_, applied_);
  if (commands.empty()) return;
  listed_ = run(commands, "tidy").ok();
  if (listed_) present_ = names_of(applied_);
}

Result<void> NatFamilyTable::reassert() {
  if (applied_.chains.empty()) return {};
  listed_ = false;
  return apply(std::exchange(applied_, {}));
}

Result<void> NatFamilyTable::remove_if_present() {
  if (listed_ && present_.chains.empty()) return {};
  return remove();
}

Result<void> NatFamilyTable::remove() {
  applied_ = {};
  listed_ = false;
  // Kernels without IPv6 cannot even be told to delete its table.
  list_names();
  const bool absent = listed_ && present_.chains.empty() && present_.sets.empty();
  if (family_ == AddressFamily::ipv6 && absent) return {};
  listed_ = false;
  return run(deletion_of_all(), "delete");
}

void NatFamilyTable::list_names() {
  if (listed_) return;
  auto reader = NatReader::open(family_);
  auto names = reader ? reader->names() : reader.error();
  listed_ = names.ok();
  // Only what is not wanted any more would be left behind.
  present_ = names ? std::move(*names) : NatNames{};
}

bool NatFamilyTable::balances() {
  list_names();
  return present_.chains.contains("received");
}

std::set<std::string> NatFamilyTable::client_sets() const {
  return names_of(applied_).sets;
}

std::string NatFamilyTable::name() const {
  return family_ == AddressFamily::ipv4 ? "ip xlb" : "ip6 xlb";
}

// Whether or not it is there.
std::string NatFamilyTable::deletion_of_all() const {
  return fmt::format("add table {0}\ndelete table {0}\n", name());
}

Result<void> NatFamilyTable::run(const std::string& commands, std::string_view verb) {
  if (nft_run_cmd_from_buffer(context_, commands.c_str()) == 0) return {};
  return fail("cannot {} nftables table {}: {}", verb, name(),
              causes_in(nft_ctx_get_error_buffer(context_)));
}

}  // namespace xlb
