#include "core/rate_estimator.h"

#include <cmath>
#include <map>
#include <utility>

namespace xlb {
namespace {

constexpr double kKept = 0.75;  // of the average, in an interval

// visit(service, real server or nullptr, counters, rates) for each line of a listing.
template <typename Visit>
void for_each_line(std::vector<Status::VirtualServer>& services, Visit visit) {
  for (auto& service : services) {
    visit(service.key, nullptr, service.traffic, service.rates);
    const auto visit_server = [&](Status::RealServer& server) {
      visit(service.key, &server.endpoint, server.traffic, server.rates);
    };
    for (auto& server : service.real_servers)
      visit_server(server);
    if (service.sorry_server) visit_server(*service.sorry_server);
  }
}

bool same(const std::optional<Endpoint>& known, const Endpoint* endpoint) {
  return endpoint == nullptr ? !known : known == *endpoint;
}

void approach(double& average, uint64_t from, uint64_t to, double seconds, double kept) {
  // Below its last value: the counter began anew, and nobody knows when.
  const double rate = to < from ? 0 : static_cast<double>(to - from) / seconds;
  average = average * kept + rate * (1 - kept);
}

}  // namespace

void RateEstimator::estimate(std::vector<Status::VirtualServer>& services, TimePoint now) {
  if (!fits(services)) follow(services);
  if (!looked_) looked_ = now;
  const double seconds = std::chrono::duration<double>(now - *looked_).count();
  const bool due = now - *looked_ >= kInterval;
  const double kept = std::pow(kKept, seconds / std::chrono::duration<double>(kInterval).count());
  if (due) looked_ = now;
  size_t position = 0;
  for_each_line(
      services, [&](const ServiceKey&, const Endpoint*, const Traffic& traffic, Rates& rates) {
        Line& line = lines_[position++];
        if (due) {
          Rates& average = line.average;
          approach(average.connections_per_s, line.last.connections, traffic.connections, seconds,
                   kept);
          approach(average.packets_per_s, line.last.packets, traffic.packets, seconds, kept);
          approach(average.bytes_per_s, line.last.bytes, traffic.bytes, seconds, kept);
          line.last = traffic;
        }
        rates = line.average;
      });
}

bool RateEstimator::fits(std::vector<Status::VirtualServer>& services) const {
  size_t position = 0;
  bool fitting = true;
  for_each_line(
      services, [&](const ServiceKey& key, const Endpoint* endpoint, const Traffic&, Rates&) {
        fitting = fitting && position < lines_.size() && lines_[position].service == key &&
                  same(lines_[position].real_server, endpoint);
        ++position;
      });
  return fitting && position == lines_.size();
}

// Another configuration, or a sorry server came or went: who was there before goes on.
void RateEstimator::follow(std::vector<Status::VirtualServer>& services) {
  std::map<std::pair<ServiceKey, std::optional<Endpoint>>, const Line*> known;
  for (const Line& line : lines_)
    known[{line.service, line.real_server}] = &line;
  std::vector<Line> lines;
  for_each_line(services, [&](const ServiceKey& key, const Endpoint* endpoint,
                              const Traffic& traffic, Rates&) {
    const auto server = endpoint == nullptr ? std::nullopt : std::optional(*endpoint);
    const auto found = known.find({key, server});
    lines.push_back(found == known.end() ? Line{key, server, traffic, {}} : *found->second);
  });
  lines_ = std::move(lines);
}

}  // namespace xlb
