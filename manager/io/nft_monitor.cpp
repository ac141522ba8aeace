#include "io/nft_monitor.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace xlb {
namespace {

constexpr std::string_view kTable = "xlb";
constexpr int kDatagramsPerCall = 100;
constexpr size_t kDatagramBytes = 64 << 10;
// Somebody may load a large ruleset at once; more than this only costs one needless repair.
constexpr int kReceiveBufferBytes = 4 << 20;

using Bytes = std::span<const std::byte>;

// The attribute's text, without its end; empty when it is missing.
std::string_view text_attribute(Bytes attributes, uint16_t wanted) {
  while (attributes.size() >= sizeof(nlattr)) {
    nlattr header{};
    std::memcpy(&header, attributes.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > attributes.size()) return {};
    if ((header.nla_type & NLA_TYPE_MASK) == wanted) {
      const std::string_view text(reinterpret_cast<const char*>(attributes.data()) + sizeof header,
                                  header.nla_len - sizeof header);
      return text.substr(0, text.find('\0'));
    }
    attributes = attributes.subspan(std::min<size_t>(NLA_ALIGN(header.nla_len), attributes.size()));
  }
  return {};
}

bool is_structural(int message) {
  switch (message) {
    case NFT_MSG_NEWTABLE:
    case NFT_MSG_DELTABLE:
    case NFT_MSG_NEWCHAIN:
    case NFT_MSG_DELCHAIN:
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE:
    case NFT_MSG_NEWSET:
    case NFT_MSG_DELSET:
    case NFT_MSG_NEWOBJ:
    case NFT_MSG_DELOBJ:
      return true;
    default:
      return false;
  }
}

// One message's attributes and the family of what it is about; nullopt: not nf_tables'.
struct Notification {
  int message;
  uint8_t family;
  Bytes attributes;
};

std::optional<Notification> parse(const nlmsghdr& header, Bytes payload) {
  if (header.nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || payload.size() < sizeof(nfgenmsg)) {
    return std::nullopt;
  }
  nfgenmsg general{};
  std::memcpy(&general, payload.data(), sizeof general);
  return Notification{header.nlmsg_type & 0xff, general.nfgen_family,
                      payload.subspan(NLMSG_ALIGN(sizeof general))};
}

}  // namespace

std::string NftTransactions::take(Bytes datagram) {
  std::string who;
  while (datagram.size() >= NLMSG_HDRLEN) {
    nlmsghdr header{};
    std::memcpy(&header, datagram.data(), sizeof header);
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > datagram.size()) break;
    const auto told = parse(header, datagram.first(header.nlmsg_len).subspan(NLMSG_HDRLEN));
    datagram = datagram.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
    if (!told) continue;
    if (told->message == NFT_MSG_NEWGEN) {  // the end of a transaction
      const std::string_view name = text_attribute(told->attributes, NFTA_GEN_PROC_NAME);
      if (std::exchange(touched_, false) && name != own_name_) who = name.empty() ? "?" : name;
    } else if (is_structural(told->message) &&
               (told->family == NFPROTO_IPV4 || told->family == NFPROTO_IPV6)) {
      // The table's name is the first attribute of every kind of object.
      static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
                    NFTA_SET_TABLE == 1 && NFTA_OBJ_TABLE == 1);
      touched_ |= text_attribute(told->attributes, NFTA_TABLE_NAME) == kTable;
    }
  }
  return who;
}

Result<NftMonitor> NftMonitor::open() {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  if (!socket.valid()) return fail_errno(errno, "cannot watch nftables");
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes,
                     sizeof kReceiveBufferBytes);  // best effort
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(errno, "cannot watch nftables");
  }
  const int group = NFNLGRP_NFTABLES;
  if (::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    return fail_errno(errno, "cannot watch nftables");
  }
  std::array<char, 16> name{};  // TASK_COMM_LEN
  if (::prctl(PR_GET_NAME, name.data()) != 0) return fail_errno(errno, "cannot read own name");
  return NftMonitor(std::move(socket), name.data());
}

Result<void> NftMonitor::process(const std::function<void(const std::string&)>& changed) {
  std::vector<std::byte> buffer(kDatagramBytes);
  std::optional<std::string> by;
  Result<void> result;
  for (int count = 0; count < kDatagramsPerCall; ++count) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    const ssize_t length = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                      reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (length < 0) {
      const int code = errno;
      if (code == EAGAIN) break;
      if (code == ENOBUFS) {
        transactions_.forget();
        by = "";
        continue;
      }
      result = fail_errno(code, "cannot read nftables' notifications");
      break;
    }
    if (sender.nl_pid != 0) continue;  // not the kernel
    std::string who = transactions_.take(Bytes(buffer).first(static_cast<size_t>(length)));
    if (!who.empty()) by = std::move(who);
  }
  if (by) changed(*by);
  return result;
}

}  // namespace xlb
