#include "io/nat_reader.h"

#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "io/netfilter_message.h"

namespace xlb {
namespace {

using netfilter::attributes;
using netfilter::Bytes;
using netfilter::Request;
using netfilter::value_of;

constexpr std::string_view kTable = "xlb";
constexpr size_t kBufferBytes = 1 << 16;

std::string text_of(Bytes bytes) {
  const auto* begin = reinterpret_cast<const char*>(bytes.data());
  return std::string(begin, ::strnlen(begin, bytes.size()));
}

uint64_t number_of(Bytes bytes) {
  return be64toh(value_of<uint64_t>(bytes).value_or(0));
}

void take_counter(Bytes message, NatReading& reading) {
  const auto object = attributes<NFTA_OBJ_MAX + 1>(message);
  const auto counter = attributes<NFTA_COUNTER_MAX + 1>(object[NFTA_OBJ_DATA]);
  reading.counters[text_of(object[NFTA_OBJ_NAME])] = {number_of(counter[NFTA_COUNTER_PACKETS]),
                                                      number_of(counter[NFTA_COUNTER_BYTES])};
}

std::optional<NatReading::Client> client_of(Bytes element) {
  const auto parts = attributes<NFTA_SET_ELEM_MAX + 1>(element);
  const auto key = attributes<NFTA_DATA_MAX + 1>(parts[NFTA_SET_ELEM_KEY]);
  const std::chrono::milliseconds expires_in(number_of(parts[NFTA_SET_ELEM_EXPIRATION]));
  if (const auto four = value_of<uint32_t>(key[NFTA_DATA_VALUE])) {
    return NatReading::Client{IpAddress::from_v4(*four), expires_in};
  }
  const auto six = value_of<std::array<uint8_t, 16>>(key[NFTA_DATA_VALUE]);
  if (!six) return std::nullopt;
  return NatReading::Client{IpAddress::from_v6(*six), expires_in};
}

Result<void> finish(int socket, std::vector<std::byte>& buffer, int message,
                    const std::function<void(Bytes)>& visit) {
  const int type = netfilter::message_type(NFNL_SUBSYS_NFTABLES, message);
  for (;;) {
    const auto ended = netfilter::receive(socket, buffer, type, visit);
    // Without the table, or a set that is still to be made, there is nothing to read.
    if (!ended && ended.error().code == ENOENT) return {};
    if (!ended) return ended.error().context("cannot read nftables table xlb");
    if (*ended) return {};
  }
}

}  // namespace

Result<NatReader> NatReader::open(AddressFamily family) {
  auto socket = netfilter::open_socket();
  if (!socket) return socket.error();
  return NatReader(std::move(*socket), family);
}

NatReader::NatReader(UniqueFd socket, AddressFamily family)
    : socket_(std::move(socket)), family_(family), buffer_(kBufferBytes) {}

// A dump that was given up on, or failed half way, goes with its socket.
Result<void> NatReader::reopen() {
  auto socket = netfilter::open_socket();
  if (!socket) return socket.error();
  socket_ = std::move(*socket);
  return {};
}

Result<void> NatReader::dump(int message, uint16_t table_attribute, int answer,
                             const std::function<void(Bytes)>& visit) {
  Request request(NFNL_SUBSYS_NFTABLES, message, NLM_F_DUMP, ++sequence_, family_);
  request.add_text(table_attribute, kTable);
  if (!request.send(socket_.get())) return fail_errno(errno, "cannot ask nftables");
  return finish(socket_.get(), buffer_, answer, visit);
}

Result<NatNames> NatReader::names() {
  if (auto opened = reopen(); !opened) return opened.error();
  NatNames names;
  // Older kernels list the chains of every table.
  auto done = dump(NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, NFT_MSG_NEWCHAIN, [&](Bytes message) {
    const auto chain = attributes<NFTA_CHAIN_MAX + 1>(message);
    if (text_of(chain[NFTA_CHAIN_TABLE]) == kTable) {
      names.chains.insert(text_of(chain[NFTA_CHAIN_NAME]));
    }
  });
  if (!done) return done.error();
  done = dump(NFT_MSG_GETSET, NFTA_SET_TABLE, NFT_MSG_NEWSET, [&](Bytes message) {
    const auto set = attributes<NFTA_SET_MAX + 1>(message);
    const uint32_t flags = be32toh(value_of<uint32_t>(set[NFTA_SET_FLAGS]).value_or(0));
    if ((flags & NFT_SET_ANONYMOUS) == 0) names.sets.insert(text_of(set[NFTA_SET_NAME]));
  });
  if (!done) return done.error();
  NatReading reading;
  if (done = read_counters(reading); !done) return done.error();
  for (const auto& [name, count] : reading.counters)
    names.counters.insert(name);
  return names;
}

Result<void> NatReader::read_into(NatReading& reading, const std::set<std::string>& client_sets,
                                  const std::function<bool()>& give_up) {
  if (auto opened = reopen(); !opened) return opened;
  if (auto done = read_counters(reading); !done) return done;
  for (const std::string& set : client_sets) {
    if (give_up()) return Error{"reading nftables table xlb was given up on", ECANCELED};
    if (auto done = read_clients(set, reading); !done) return done;
  }
  return {};
}

Result<NatReading> NatReader::read(const std::set<std::string>& client_sets,
                                   const std::function<bool()>& give_up) {
  NatReading reading;
  if (auto done = read_into(reading, client_sets, give_up); !done) return done.error();
  return reading;
}

Result<void> NatReader::read_counters(NatReading& reading) {
  Request request(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETOBJ, NLM_F_DUMP, ++sequence_, family_);
  request.add_text(NFTA_OBJ_TABLE, kTable);
  request.add<uint32_t>(NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER));
  if (!request.send(socket_.get())) return fail_errno(errno, "cannot ask nftables for counters");
  return finish(socket_.get(), buffer_, NFT_MSG_NEWOBJ,
                [&](Bytes message) { take_counter(message, reading); });
}

Result<void> NatReader::read_clients(const std::string& set, NatReading& reading) {
  Request request(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETSETELEM, NLM_F_DUMP, ++sequence_, family_);
  request.add_text(NFTA_SET_ELEM_LIST_TABLE, kTable);
  request.add_text(NFTA_SET_ELEM_LIST_SET, set);
  if (!request.send(socket_.get())) return fail_errno(errno, "cannot ask nftables for a set");
  auto& clients = reading.client_sets[set];
  return finish(socket_.get(), buffer_, NFT_MSG_NEWSETELEM, [&](Bytes message) {
    const auto list = attributes<NFTA_SET_ELEM_LIST_MAX + 1>(message);
    netfilter::for_each_attribute(list[NFTA_SET_ELEM_LIST_ELEMENTS], [&](Bytes element) {
      if (const auto client = client_of(element)) clients.push_back(*client);
    });
  });
}

}  // namespace xlb
