#include "director/ways.h"

namespace xlb {

Way& Ways::join(const Via& via, const Target& target) {
  const auto [way, added] = ways_.try_emplace(via);
  way->second.targets.insert(target);
  if (added) due_.emplace(way->second.next_request, via);
  return way->second;
}

void Ways::leave(const Via& via, const Target& target) {
  const auto found = ways_.find(via);
  if (found == ways_.end()) return;
  found->second.targets.erase(target);
  if (!found->second.targets.empty()) return;
  due_.erase({found->second.next_request, via});
  ways_.erase(found);
}

Way* Ways::find(const Via& via) {
  const auto found = ways_.find(via);
  return found == ways_.end() ? nullptr : &found->second;
}

const Way* Ways::find(const Via& via) const {
  const auto found = ways_.find(via);
  return found == ways_.end() ? nullptr : &found->second;
}

void Ways::schedule(const Via& via, TimePoint when) {
  Way* const way = find(via);
  if (way == nullptr) return;
  due_.erase({way->next_request, via});
  way->next_request = when;
  due_.emplace(when, via);
}

std::optional<Via> Ways::due(TimePoint now) const {
  if (due_.empty() || due_.begin()->first > now) return std::nullopt;
  return due_.begin()->second;
}

void Backlog::add(const Target& target) {
  if (waiting_.insert(target).second) order_.push_back(target);
}

std::optional<Target> Backlog::take() {
  if (order_.empty()) return std::nullopt;
  const Target target = order_.front();
  order_.pop_front();
  waiting_.erase(target);
  return target;
}

}  // namespace xlb
