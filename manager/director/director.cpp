#include "director/director.h"

#include <sys/epoll.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "core/endpoint_text.h"
#include "director/check_config.h"
#include "director/notify_script.h"

namespace xlb {
namespace {

std::string address_record_path(const RunDirectory& directory) {
  return directory.path() + "/virtual_addresses";
}

std::string network_record_path(const RunDirectory& directory) {
  return directory.path() + "/network";
}

}  // namespace

Director::~Director() = default;

Result<std::unique_ptr<Director>> Director::create(const DirectorOptions& options) {
  CheckedConfig checked =
      check_config_file(options.config_file, Strictness::run, options.config_id);
  std::vector<std::string> warnings;
  size_t errors = 0;
  for (const Diagnostic& diagnostic : checked.diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::error) {
      ++errors;
      log::error("{}", to_string(diagnostic));
    } else {
      log::warning("{}", to_string(diagnostic));
      warnings.push_back(to_string(diagnostic));
    }
  }
  if (!checked.config) {
    return fail("cannot start: {} error{} in {}; 'xlbd -t -f {}' lists them", errors,
                errors == 1 ? "" : "s", options.config_file, options.config_file);
  }
  std::unique_ptr<Director> director(new Director(std::move(*checked.config)));
  director->warnings_ = std::move(warnings);
  director->config_file_ = options.config_file;
  director->config_id_ = options.config_id;
  director->net_namespace_ = checked.net_namespace;
  director->config_text_ = std::make_shared<const std::string>(std::move(checked.text));
  const auto opened = director->open(options);
  if (!opened) return opened.error().context("cannot start");
  return director;
}

Result<void> Director::open(const DirectorOptions& options) {
  if (options.status_listen) {
    const auto listen = parse_listen(*options.status_listen);
    if (!listen) return listen.error().context("--status-listen");
    listen_override_ = *listen;
    config_.xlb.status_listen = *listen;
  }
  for (const std::string& name : traffic_interfaces(config_)) {
    Interface interface;
    interface.name = name;
    interfaces_.push_back(std::move(interface));
  }
  if (takes_interfaces(config_) && interfaces_.empty()) {
    return fail(
        "no interface to attach to: say where client traffic arrives with "
        "xlb {{ interfaces eth0 }}");
  }
  auto directory = RunDirectory::open(options.run_directory);
  if (!directory) return directory.error();
  run_directory_.emplace(std::move(*directory));
  addresses_.emplace(address_record_path(*run_directory_));
  network_record_.emplace(network_record_path(*run_directory_));
  health_.emplace(run_directory_->path() + "/health");
  auto adverts = AdvertRecord::open(run_directory_->path() + "/adverts");
  if (!adverts) return adverts.error();
  adverts_ = std::move(*adverts);

  if (auto opened = open_kernel(); !opened) return opened;
  if (auto opened = open_servers(options); !opened) return opened;
  if (auto opened = open_dataplane(); !opened) return opened;
  services_ = std::make_unique<Services>(
      *loop_, *probes_, *next_hops_, [this] { request_apply(); },
      [this](const std::string& queue, const ScriptCommand& command) {
        run_notify_script(*scripts_, config_.global, queue, command);
      },
      [this](const ServiceKey& service, const QuorumEvent& event) {
        notifications_->tell(service, event);
        mail_->tell(config_, service, event);
      },
      health_->verdicts());
  if (auto opened = open_tracking(); !opened) return opened;
  for (const VrrpInstanceConfig& config : config_.vrrp_instances) {
    instances_.push_back(make_instance(config));
  }
  return {};
}

Result<void> Director::open_kernel() {
  auto loop = EventLoop::create();
  if (!loop) return loop.error();
  loop_ = std::move(*loop);
  supervision_ = std::make_unique<Supervision>(*loop_);
  if (auto set = loop_->on_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2},
                                   [this](int signal) { handle_signal(signal); });
      !set) {
    return set;
  }
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  netlink_ = std::move(*netlink);
  netlink_->on_change([this] { netlink_changed(); });
  auto watch = loop_->watch(netlink_->fd(), EPOLLIN, [this](uint32_t) { netlink_readable(); });
  if (!watch) return watch.error();
  netlink_watch_ = std::move(*watch);

  auto announcer = Announcer::open();
  if (!announcer) return announcer.error();
  announcer_.emplace(std::move(*announcer));
  announcements_ = std::make_unique<AnnounceQueue>(
      *loop_, *announcer_, [](const Error& error) { log::warning("{}", error.text); });
  announcements_->configure(config_.network.announce_spacing, config_.network.announce_groups);
  network_ = std::make_unique<RecordedNetwork>(*netlink_, *network_record_);
  static_network_ = std::make_unique<StaticNetwork>(*netlink_, *addresses_, *network_);
  router_interfaces_ = std::make_unique<RouterInterfaces>(*netlink_, *network_record_,
                                                          interface_settings(*run_directory_));
  link_delays_ = std::make_unique<LinkDelays>(*loop_, *netlink_, [this] {
    if (!stopping_) links_changed();
  });
  unknown_routers_ = std::make_unique<UnknownRouters>(*loop_, *netlink_);
  scripts_ = std::make_unique<ScriptRunner>(*loop_);
  scripts_->set_rules(script_rules_of(config_.global));
  notifications_ = std::make_unique<Notifications>(*loop_, *scripts_);
  mail_ = std::make_unique<MailAlerts>(*loop_);
  auto probes = ProbeContext::create(*loop_);
  if (!probes) return probes.error();
  probes_ = std::move(*probes);
  probes_->use_scripts(*scripts_);
  auto nat = NatTable::open();
  if (!nat) return nat.error();
  nat_ = std::make_unique<NatWorker>(*loop_, std::move(*nat),
                                     [this](const Result<void>& done) { nat_applied(done); });
  nat_lost_ = !nat_->holding();
  auto requester = NeighbourRequester::open();
  if (!requester) return requester.error();
  worker_ = std::make_unique<Worker>(*loop_);
  next_hops_ = std::make_unique<NextHops>(*loop_, *netlink_, *worker_, std::move(*requester),
                                          [this] { request_apply(); });
  return open_repairs();
}

Result<void> Director::open_servers(const DirectorOptions&) {
  auto control =
      ControlServer::open(*loop_, run_directory_->control_socket(),
                          [this](const ControlRequest& request) { return answer(request); });
  if (!control) return control.error();
  control_ = std::move(*control);
  if (!config_.xlb.status_listen) return {};
  status_slot_.on_wanted([this] { loop_->post([this] { answer_status_request(); }); });
  auto server = StatusServer::start(*config_.xlb.status_listen, status_slot_);
  if (!server) return server.error();
  status_server_ = std::move(*server);
  return {};
}

Result<void> Director::open_dataplane() {
  if (config_.virtual_servers.empty()) {
    // A predecessor on this directory may have balanced; this configuration does not.
    return XdpDataplane::purge(run_directory_->bpf_directory());
  }
  if (fallback_) return {};
  if (config_.xlb.attach_mode == AttachMode::none) {
    fall_back("attach_mode none");
    return {};
  }
  XdpOptions options;
  options.bpf_directory = run_directory_->bpf_directory();
  options.sizes = {.flows = config_.xlb.flow_table_size,
                   .real_servers = config_.xlb.real_servers_max};
  auto dataplane = XdpDataplane::open(options);
  if (!dataplane && config_.xlb.attach_mode == AttachMode::automatic) {
    fall_back(dataplane.error().text);
    return {};
  }
  if (!dataplane) return dataplane.error();
  dataplane_ = std::move(*dataplane);
  dataplane_->on_pause([this] { loop_->serve_urgent(); });
  split_ = std::make_unique<SplitDataplane>(*dataplane_, *nat_);
  if (!attaching_) split_->begin_translation();
  if (!dataplane_->adoption().empty()) log::info("data plane: {}", dataplane_->adoption());
  log::info("data plane: {} connections, {} real servers, {} MiB of tables",
            config_.xlb.flow_table_size, config_.xlb.real_servers_max,
            dataplane_->memory_bytes() >> 20);
  return {};
}

std::unique_ptr<VrrpInstance> Director::make_instance(const VrrpInstanceConfig& config) {
  const VrrpSurroundings surroundings{
      *loop_,
      *netlink_,
      *announcements_,
      *scripts_,
      *addresses_,
      *network_,
      *router_interfaces_,
      *link_delays_,
      *adverts_,
      config_.global,
      [this](const std::optional<IpAddress>& last_master) { master_lost(last_master); },
      [this](const IpAddress& source) { heard(source); },
      [this] {
        groups_->evaluate();
        role_changed();
      },
      [this](const VrrpNotice& notice) {
        notifications_->tell(notice);
        mail_->tell(config_, notice);
      }};
  return std::make_unique<VrrpInstance>(surroundings, config);
}

SysctlRecord Director::interface_settings(const RunDirectory& directory) {
  return SysctlRecord(directory.path() + "/router_settings");
}

Result<void> Director::purge(const std::string& run_directory) {
  auto directory = RunDirectory::open(run_directory);
  if (!directory) return directory.error().context("cannot purge");
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  AddressRecord addresses(address_record_path(*directory));
  for (const auto& [interface, address] : std::set(addresses.entries())) {
    if (const auto link = (*netlink)->link(interface)) {
      if (auto removed = (*netlink)->remove_address(link->index, address); !removed) return removed;
    }
    if (auto removed = addresses.remove({interface, address}); !removed) return removed;
  }
  NetworkRecord network_record(network_record_path(*directory));
  RecordedNetwork(**netlink, network_record).remove_unclaimed();
  RouterInterfaces interfaces(**netlink, network_record, interface_settings(*directory));
  if (auto removed = interfaces.keep_only({}); !removed) return removed;
  if (auto removed = LoopbackDelivery(**netlink, directory->path()).remove(); !removed) {
    return removed;
  }
  if (auto purged = XdpDataplane::purge(directory->bpf_directory()); !purged) return purged;
  auto nat = NatTable::open();
  if (!nat) return nat.error();
  if (auto removed = (*nat)->remove(); !removed) return removed;
  if (auto restored = restore_forwarding(*directory); !restored) return restored;
  for (const char* left : {"control", "adverts", "health"})
    (void)::remove((directory->path() + "/" + left).c_str());  // absent is fine
  (void)::rmdir(directory->bpf_directory().c_str());
  directory->remove();
  return {};
}

}  // namespace xlb
