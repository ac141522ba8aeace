#include "io/nat_table.h"

#include <utility>

namespace xlb {

Result<std::unique_ptr<NatTable>> NatTable::open() {
  auto four = NatFamilyTable::open(AddressFamily::ipv4);
  if (!four) return four.error();
  auto six = NatFamilyTable::open(AddressFamily::ipv6);
  if (!six) return six.error();
  std::unique_ptr<NatTable> result(new NatTable());
  result->four_ = std::move(*four);
  result->six_ = std::move(*six);
  return result;
}

// What is wrong with one of them does not keep the other from its state.
Result<void> NatTable::apply(const NatState& state) {
  const auto four = four_->apply(state);
  const auto six = six_->apply(state);
  return four ? six : four;
}

Result<void> NatTable::reassert() {
  const auto four = four_->reassert();
  const auto six = six_->reassert();
  return four ? six : four;
}

Result<NatReading> NatTable::read(const std::function<bool()>& give_up) const {
  NatReading reading;
  for (const NatFamilyTable* const table : {four_.get(), six_.get()}) {
    if (!table->counts()) continue;
    auto reader = NatReader::open(table->family());
    if (!reader) return reader.error();
    if (auto done = reader->read_into(reading, table->client_sets(), give_up); !done) {
      return done.error();
    }
  }
  return reading;
}

Result<void> NatTable::remove() {
  const auto four = four_->remove();
  const auto six = six_->remove();
  return four ? six : four;
}

}  // namespace xlb
