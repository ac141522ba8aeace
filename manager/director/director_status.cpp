// What users see of the director: the published Status, the log summary, the control socket's
// answers.
#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/log.h"
#include "base/version.h"
#include "core/diagnostic.h"
#include "director/director.h"

namespace xlb {
namespace {

constexpr auto kPublishInterval = std::chrono::milliseconds(50);
constexpr int kPublishShare = 50;  // of the loop's time, a fiftieth: who asks is answered anew
// Virtual and real servers that a turn of the loop describes: less than a millisecond.
constexpr size_t kLinesAtOnce = 500;

}  // namespace

DataplaneCounters Director::read_counters() {
  return balancer() != nullptr ? balancer()->counters() : DataplaneCounters{};
}

Status Director::build_status() {
  const DataplaneCounters counters = read_counters();
  Services::Listing listing;
  while (services_->list_some(listing, counters, kLinesAtOnce)) {
  }
  return complete_status(counters, std::move(listing));
}

Status Director::complete_status(const DataplaneCounters& counters, Services::Listing&& listing) {
  Status status;
  status.version = kVersion;
  status.generated_at = std::chrono::system_clock::now();
  status.warnings = warnings_;
  status.flow_table_size = config_.xlb.flow_table_size;
  status.flows = counters.flows;
  status.drops = counters.drops;
  if (balancer() != nullptr) status.tables = balancer()->tables();
  if (dataplane_ && !fallback_) {
    for (const Interface& interface : interfaces_) {
      status.dataplane.push_back(
          {interface.name, interface.index == 0 ? "none" : interface.mode, interface.reason});
    }
  }
  for (const auto& instance : instances_) {
    status.vrrp.push_back(instance->status());
    status.vrrp.back().sync_group = groups_->group_of(instance->config().name);
    tracking_->describe(instance->config(), status.vrrp.back());
    if (!instance->started()) status.vrrp.back().reason = why_not_started(*instance);
  }
  notifications_->describe(status);
  status.virtual_servers = std::move(listing.services);
  rates_.estimate(status.virtual_servers, loop_->now());
  if (fallback_) describe_fallback(status);
  if (translating_) describe_translation(status);
  const auto in_ms = [](Duration lag) {
    return std::chrono::duration<double, std::milli>(lag).count();
  };
  status.loop = {in_ms(loop_->lag().max()), in_ms(loop_->lag().of(0.5)),
                 in_ms(loop_->lag().of(0.99))};

  if (attaching_) {
    status.not_ready_reason = "starting";
  } else if (stopping_) {
    status.not_ready_reason = "stopping";
  } else if (!apply_error_.empty()) {
    status.not_ready_reason = apply_error_;
  } else if (!local_delivery_error_.empty()) {
    status.not_ready_reason = local_delivery_error_;
  } else if (!loopback_error_.empty()) {
    status.not_ready_reason = loopback_error_;
  } else if (dataplane_ && !fallback_) {
    for (const Interface& interface : interfaces_) {
      if (interface.index != 0) continue;
      status.not_ready_reason = interface.name + ": " + interface.reason;
    }
  }
  status.ready = status.not_ready_reason.empty();
  return status;
}

// What changes in a burst is shown once. With a thousand real servers a status takes milliseconds.
void Director::request_publish() {
  if (publishing_) {
    publishing_->again = true;
    return;
  }
  if (publish_timer_.armed()) return;
  const Duration pause = std::max(kPublishShare * publish_cost_, Duration(kPublishInterval));
  publish_timer_.arm(std::max(loop_->now(), published_ + pause));
}

// Counters must not lag behind what a client of the status port has seen for itself; yet however
// often it asks, the loop spends little of its time on answers. A status that is being made already
// may lack what the client has seen.
void Director::answer_status_request() {
  if (publishing_) {
    publishing_->asked = true;
    return;
  }
  constexpr int kShare = 10;
  status_slot_.accept();
  const Duration pause = std::min(kShare * publish_cost_, Duration(kPublishInterval));
  publish_timer_.arm(std::max(loop_->now(), published_ + pause));
}

// Ten thousand real servers take a score of turns.
void Director::publish_some() {
  const auto begun = std::chrono::steady_clock::now();
  if (!publishing_) publishing_.emplace().counters = read_counters();
  Publishing& publishing = *publishing_;
  const bool more = services_->list_some(publishing.listing, publishing.counters, kLinesAtOnce);
  if (!more) show(complete_status(publishing.counters, std::move(publishing.listing)));
  publishing.cost += std::chrono::steady_clock::now() - begun;
  if (more) return publish_timer_.arm(loop_->now());
  publish_cost_ = publishing.cost;
  const bool again = publishing.again;
  const bool asked = publishing.asked;
  publishing_.reset();
  if (asked) return answer_status_request();
  if (again) request_publish();
}

// At once and whole: who waits for this change looks at it next.
void Director::publish() {
  if (publishing_ && publishing_->asked) status_slot_.accept();
  publishing_.reset();
  publish_timer_.disarm();
  const auto begun = std::chrono::steady_clock::now();
  show(build_status());
  publish_cost_ = std::chrono::steady_clock::now() - begun;
}

void Director::show(Status&& status) {
  published_ = loop_->now();
  auto shown = std::make_shared<Status>(std::move(status));
  supervision_->describe(*shown);
  auto before = status_slot_.current();
  status_slot_.publish(std::move(shown));
  // Ten thousand real servers take milliseconds to forget.
  worker_->run([before = std::move(before)]() mutable { before.reset(); }, [] {});
}

void Director::log_summary() {
  const Status status = build_status();
  log::info("summary: xlbd {}, {}, {} flows", status.version,
            status.ready ? "ready" : "not ready: " + status.not_ready_reason, status.flows);
  for (const auto& interface : status.dataplane) {
    log::info("summary: {}: {} {}", interface.name, interface.mode, interface.reason);
  }
  for (const auto& vrrp : status.vrrp) {
    log::info("summary: {}: {}, priority {}, {} transitions", vrrp.instance, vrrp.state,
              vrrp.priority, vrrp.transitions);
  }
  for (const auto& service : status.virtual_servers) {
    log::info("summary: {}: {}, {} packets", service.key, service.state, service.traffic.packets);
    for (const auto& real_server : service.real_servers) {
      log::info("summary:   {} {} weight {}: {}, {} active, {} inactive: {}", real_server.forward,
                real_server.endpoint, real_server.weight, real_server.state,
                real_server.active_connections, real_server.inactive_connections,
                real_server.reason);
    }
  }
}

// What was sweeping when the question came may have passed the newest entries by: one whole pass
// from its start is waited for.
std::unique_ptr<ControlReply> Director::status_reply() {
  return stream_reply([this, passes = balancer() != nullptr ? 2 : 0,
                       document = std::shared_ptr<StatusDocument>()](std::string& out) mutable {
    if (passes > 0) {
      passes -= balancer()->sweep_step(loop_->now()) ? 1 : 0;
      return true;
    }
    if (document) return document->next(out);
    document = std::make_shared<StatusDocument>(build_status());
    return true;
  });
}

// In pieces, so that a large one does not hold up the loop.
std::unique_ptr<ControlReply> Director::config_reply() const {
  return stream_reply([text = config_text_, begin = size_t{0}](std::string& out) mutable {
    constexpr size_t kPiece = 65536;
    const size_t newline = text->find('\n', std::min(begin + kPiece, text->size()));
    const size_t end = newline == std::string::npos ? text->size() : newline + 1;
    out += config_text_line(std::string_view(*text).substr(begin, end - begin));
    begin = end;
    return begin < text->size();
  });
}

template <typename Item>
std::unique_ptr<ControlReply> Director::listing_reply(Visit<Item> visit) {
  if (balancer() == nullptr) return document_reply("");
  return stream_reply([this, visit, cursor = uint64_t{0}](std::string& out) mutable {
    constexpr size_t kItemsPerTurn = 1000;
    cursor = (balancer()->*visit)(cursor, kItemsPerTurn, loop_->now(),
                                  [&out](const Item& item) { append_line(out, item); });
    return cursor != 0;
  });
}

std::unique_ptr<ControlReply> Director::answer(const ControlRequest& request) {
  if (request.command == "status") return status_reply();
  if (request.command == "connections") {
    return listing_reply<Connection>(&Dataplane::visit_connections);
  }
  if (request.command == "persistence") {
    return listing_reply<PersistentClient>(&Dataplane::visit_persistence);
  }
  if (request.command == "config") return config_reply();
  if (request.command == "reload") return reload_reply(request);
  return failure_reply({ControlFailure::kRefused, "unknown command " + quoted(request.command),
                        std::string("this xlbd is version ") + kVersion});
}

}  // namespace xlb
