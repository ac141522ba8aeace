// A virtual router as users see it.
#include "director/vrrp_instance.h"

namespace xlb {

Status::Vrrp VrrpInstance::status() const {
  Status::Vrrp result;
  result.instance = config_.name;
  result.state = router_.state() == vrrp::State::init ? vrrp::name_of(vrrp::State::backup)
                                                      : vrrp::name_of(router_.state());
  result.reason = fault_reason_;
  result.interface = config_.interface;
  result.version = static_cast<int>(config_.version);
  result.priority = config_.priority;
  result.effective_priority = effective_priority();
  result.virtual_router_id = config_.virtual_router_id;
  result.advert_interval_s = std::chrono::duration<double>(config_.advert_interval).count();
  for (const VirtualAddress& vip : config_.virtual_addresses) {
    result.virtual_addresses.push_back(vip.address.to_string());
  }
  if (const auto master = router_.master_address()) result.master_address = master->to_string();
  result.since = since_;
  result.transitions = transitions_;
  result.adverts_received = adverts_received_;
  if (addresses_.conflicts() > 0) {
    result.alarms.push_back({"vip_conflict", addresses_.conflicts()});
  }
  result.adverts_late = adverts_late_;
  channel_.describe(result);
  return result;
}

}  // namespace xlb
