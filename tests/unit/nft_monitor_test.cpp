#include "io/nft_monitor.h"

#include <doctest/doctest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstring>
#include <string_view>
#include <vector>

using namespace xlb;

namespace {

// Notifications as the kernel writes them.
class Datagram {
 public:
  Datagram& touch(int message, std::string_view table, uint8_t family = NFPROTO_IPV4) {
    return add(message, family, NFTA_TABLE_NAME, table);
  }
  Datagram& commit(std::string_view process) {
    return add(NFT_MSG_NEWGEN, NFPROTO_UNSPEC, NFTA_GEN_PROC_NAME, process);
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  template <typename Value>
  void put(const Value& value) {
    const auto* begin = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), begin, begin + sizeof value);
  }

  Datagram& add(int message, uint8_t family, uint16_t attribute, std::string_view text) {
    const size_t attribute_length = sizeof(nlattr) + text.size() + 1;
    nlmsghdr header{};
    header.nlmsg_type = static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
    header.nlmsg_len =
        static_cast<uint32_t>(NLMSG_HDRLEN + sizeof(nfgenmsg) + NLA_ALIGN(attribute_length));
    put(header);
    nfgenmsg general{};
    general.nfgen_family = family;
    put(general);
    nlattr head{};
    head.nla_type = attribute;
    head.nla_len = static_cast<uint16_t>(attribute_length);
    put(head);
    for (const char letter : text)
      put(letter);
    bytes_.resize(bytes_.size() + NLA_ALIGN(attribute_length) - attribute_length + 1);
    return *this;
  }

  std::vector<std::byte> bytes_;
};

}  // namespace

TEST_CASE("another process that changes the table is named when its transaction ends") {
  NftTransactions transactions("xlbd");
  CHECK(transactions.take(Datagram().touch(NFT_MSG_DELRULE, "xlb").bytes()).empty());
  CHECK(transactions.take(Datagram().commit("nft").bytes()) == "nft");
  CHECK(transactions.take(Datagram().commit("nft").bytes()).empty());
}

TEST_CASE("our own transactions and other people's tables are not told of") {
  NftTransactions transactions("xlbd");
  CHECK(transactions.take(Datagram().touch(NFT_MSG_NEWRULE, "xlb").commit("xlbd").bytes()).empty());
  CHECK(transactions.take(Datagram().touch(NFT_MSG_DELTABLE, "filter").commit("nft").bytes())
            .empty());
  CHECK(transactions
            .take(Datagram().touch(NFT_MSG_DELTABLE, "xlb", NFPROTO_INET).commit("nft").bytes())
            .empty());
}

TEST_CASE("another's change in the same datagram as our own is told of") {
  NftTransactions transactions("xlbd");
  const Datagram datagram = Datagram()
                                .touch(NFT_MSG_DELCHAIN, "xlb")
                                .commit("nft")
                                .touch(NFT_MSG_NEWCHAIN, "xlb")
                                .commit("xlbd");
  CHECK(transactions.take(datagram.bytes()) == "nft");
}

TEST_CASE("clients that come and go in a set are no change of the table") {
  NftTransactions transactions("xlbd");
  CHECK(
      transactions.take(Datagram().touch(NFT_MSG_NEWSETELEM, "xlb").commit("nft").bytes()).empty());
}

TEST_CASE("a datagram cut off anywhere is read as far as it goes") {
  const Datagram whole = Datagram().touch(NFT_MSG_DELTABLE, "xlb").commit("nft");
  for (size_t length = 0; length < whole.bytes().size(); ++length) {
    NftTransactions transactions("xlbd");
    CHECK(transactions.take(whole.bytes().first(length)).empty());
  }
}
