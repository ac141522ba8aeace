// XdpDataplane: what outlives a run and what the next one makes of it; attachments. Needs root.
#include <bpf/libbpf.h>
#include <doctest/doctest.h>
#include <linux/if_link.h>
#include <net/if.h>

#include "dataplane_fixture.h"

namespace xlb {

using namespace dataplane_fixture;

namespace {

bpf_link_info link_pinned_at(const std::string& path) {
  const UniqueFd link(bpf_obj_get(path.c_str()));
  bpf_link_info info{};
  __u32 size = sizeof info;
  if (link.valid()) (void)bpf_obj_get_info_by_fd(link.get(), &info, &size);
  return info;
}

uint32_t program_on(unsigned ifindex) {
  LIBBPF_OPTS(bpf_xdp_query_opts, query);
  return bpf_xdp_query(static_cast<int>(ifindex), 0, &query) == 0 ? query.prog_id : 0;
}

unsigned make_veth(const char* name) {
  REQUIRE(run(fmt::format("ip link add {0} type veth peer name {0}p", name)));
  return if_nametoindex(name);
}

// A program that passes everything, as somebody else would attach it.
UniqueFd foreign_program() {
  const std::array<bpf_insn, 2> pass = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 2},
      bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  return UniqueFd(
      bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", pass.data(), pass.size(), nullptr));
}

}  // namespace

ROOT_TEST_CASE("the next run adopts flows, counters and the scheduler's place") {
  const Scratch scratch;
  const auto table = service({routed(1), routed(2), routed(4)});
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(apply(*dataplane, {table}));
    CHECK(syn(scratch, 1).real_server == 1);
    CHECK(syn(scratch, 2).real_server == 2);
  }
  CHECK(ack(scratch, 2).real_server == 2);  // nobody runs, the kernel goes on
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->adoption() == "adopted 2 flows, 1 virtual servers and 0 attachments");
  CHECK(ack(scratch, 1).real_server == 1);
  CHECK(syn(scratch, 3).real_server == 4);
  REQUIRE(apply(*dataplane, {table}));
  CHECK(ack(scratch, 1).real_server == 1);
  CHECK(ack(scratch, 2).real_server == 2);
  CHECK(ack(scratch, 3).real_server == 4);
  CHECK(syn(scratch, 5).real_server == 1);
  const auto counters = dataplane->counters();
  CHECK(counters.services[0].real_servers[1].traffic.packets == 3);
  CHECK(counters.services[0].real_servers[1].traffic.connections == 1);
}

ROOT_TEST_CASE("what the next run is not asked for is removed") {
  const Scratch scratch;
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(apply(*dataplane, {service({routed(1)}), service({routed(1)}, 443)}));
  }
  auto dataplane = scratch.dataplane();
  REQUIRE(apply(*dataplane, {service({routed(2)})}));
  CHECK(syn(scratch, 1, 443).action == XDP_PASS);
  CHECK(syn(scratch, 1).real_server == 2);
}

ROOT_TEST_CASE("a change of the flow table's size replaces the maps") {
  const Scratch scratch;
  {
    auto dataplane = scratch.dataplane(4096);
    REQUIRE(apply(*dataplane, {service({routed(1)})}));
    REQUIRE(dataplane->attach("lo", kLoopback, kIdentity, AttachMode::generic));
  }
  {
    auto dataplane = scratch.dataplane(8192);
    CHECK(dataplane->adoption() ==
          "replaced what an earlier run left: flow table size changed from 4096 to 8192");
    CHECK(syn(scratch, 1).real_server == 1);  // the earlier program until there is something to do
    const auto before = program_on(kLoopback);
    REQUIRE(apply(*dataplane, {service({routed(2)})}));
    CHECK(program_on(kLoopback) != before);
    CHECK(syn(scratch, 1).real_server == 2);
  }
  auto dataplane = scratch.dataplane(8192);
  CHECK(dataplane->adoption() == "adopted 1 flows, 1 virtual servers and 1 attachments");
}

ROOT_TEST_CASE("pins that are broken are replaced") {
  const Scratch scratch;
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(apply(*dataplane, {service({routed(1)})}));
  }
  REQUIRE(unlink((scratch.directory() + "/maps/xlb_slots").c_str()) == 0);
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->adoption().find("xlb_slots is missing") != std::string::npos);
  REQUIRE(apply(*dataplane, {service({routed(2)})}));
  CHECK(syn(scratch, 1).real_server == 2);
}

ROOT_TEST_CASE("an attachment outlives the daemon and is adopted as it is") {
  const Scratch scratch;
  const unsigned ifindex = make_veth("in0.5");
  const std::string link = scratch.directory() + "/link_in0:5";
  {
    auto dataplane = scratch.dataplane();
    const auto attached = dataplane->attach("in0.5", ifindex, kIdentity, AttachMode::automatic);
    REQUIRE(attached.ok());
    CHECK(attached->mode == "native");
    CHECK(attached->reason.empty());
    REQUIRE(apply(*dataplane, {service({routed(1)})}));
  }
  const auto before = link_pinned_at(link);
  CHECK(before.xdp.ifindex == ifindex);
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->attached() == std::vector<unsigned>{ifindex});
  const auto again = dataplane->attach("in0.5", ifindex, kIdentity, AttachMode::automatic);
  REQUIRE(again.ok());
  CHECK(again->mode == "native");
  const auto after = link_pinned_at(link);
  CHECK(after.id == before.id);
  CHECK(after.prog_id != before.prog_id);

  const auto generic = dataplane->attach("in0.5", ifindex, kIdentity, AttachMode::generic);
  REQUIRE(generic.ok());
  CHECK(generic->mode == "generic");
  REQUIRE(dataplane->detach(ifindex));
  CHECK(program_on(ifindex) == 0);
  REQUIRE(dataplane->detach(ifindex));
}

ROOT_TEST_CASE("a link whose interface has gone is forgotten") {
  const Scratch scratch;
  const unsigned ifindex = make_veth("gone0");
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(dataplane->attach("gone0", ifindex, kIdentity, AttachMode::native));
  }
  REQUIRE(run("ip link del gone0"));
  auto dataplane = scratch.dataplane();
  CHECK(dataplane->attached().empty());
  const unsigned again = make_veth("gone0");
  CHECK(dataplane->attach("gone0", again, kIdentity, AttachMode::native).ok());
}

ROOT_TEST_CASE("jumbo frames are no obstacle to native XDP where the driver has several buffers") {
  const Scratch scratch;
  const unsigned ifindex = make_veth("big0");
  REQUIRE(run("ip link set big0 mtu 9000 && ip link set big0p mtu 9000"));
  auto dataplane = scratch.dataplane();
  const auto attached = dataplane->attach("big0", ifindex, kIdentity, AttachMode::automatic);
  REQUIRE(attached.ok());
  CHECK(attached->mode == "native");
}

ROOT_TEST_CASE("where native XDP is refused the generic one is used, and why is told") {
  const Scratch scratch;
  std::string reason = "driver refuses native XDP: Operation not supported";
  REQUIRE(run("ip link add plain0 type bridge"));  // its driver knows no XDP
  SUBCASE("") {}
  SUBCASE("large frames are the likelier cause") {
    REQUIRE(run("ip link set plain0 mtu 9000"));
    reason = "MTU 9000 is too large for native XDP";
  }
  const unsigned ifindex = if_nametoindex("plain0");
  auto dataplane = scratch.dataplane();
  const auto native = dataplane->attach("plain0", ifindex, kIdentity, AttachMode::native);
  REQUIRE_FALSE(native.ok());
  CHECK(native.error().text == "cannot attach XDP to plain0: " + reason);
  const auto attached = dataplane->attach("plain0", ifindex, kIdentity, AttachMode::automatic);
  REQUIRE(attached.ok());
  CHECK(attached->mode == "generic");
  CHECK(attached->reason == reason);
}

ROOT_TEST_CASE("somebody else's program is left alone and named") {
  const Scratch scratch;
  const unsigned ifindex = make_veth("taken0");
  const auto foreign = foreign_program();
  REQUIRE(bpf_xdp_attach(static_cast<int>(ifindex), foreign.get(), 0, nullptr) == 0);
  const auto id = program_on(ifindex);
  auto dataplane = scratch.dataplane();
  for (const auto mode : {AttachMode::automatic, AttachMode::generic, AttachMode::native}) {
    const auto attached = dataplane->attach("taken0", ifindex, kIdentity, mode);
    REQUIRE_FALSE(attached.ok());
    CHECK(attached.error().text ==
          fmt::format("cannot attach XDP to taken0: the program \"somebody\" (id {}) is attached "
                      "there already; stop what attached it, or remove it with \"ip link set dev "
                      "taken0 xdp off\"",
                      id));
  }
  CHECK(program_on(ifindex) == id);
}

ROOT_TEST_CASE("release and purge leave nothing behind") {
  const Scratch scratch;
  const unsigned ifindex = make_veth("end0");
  REQUIRE(XdpDataplane::purge(scratch.directory()));  // nothing there yet
  {
    auto dataplane = scratch.dataplane();
    REQUIRE(dataplane->attach("end0", ifindex, kIdentity, AttachMode::automatic));
    REQUIRE(apply(*dataplane, {service({routed(1)})}));
    CHECK(scratch.pins().size() == 3);  // program, maps, link
    REQUIRE(dataplane->release());
  }
  CHECK(program_on(ifindex) == 0);
  CHECK(scratch.pins().empty());
  {
    auto dataplane = scratch.dataplane();
    CHECK(dataplane->adoption().empty());
    REQUIRE(dataplane->attach("end0", ifindex, kIdentity, AttachMode::automatic));
  }
  CHECK(program_on(ifindex) != 0);
  REQUIRE(XdpDataplane::purge(scratch.directory()));
  CHECK(program_on(ifindex) == 0);
  CHECK(scratch.pins().empty());
  REQUIRE(XdpDataplane::purge(scratch.directory()));
}

}  // namespace xlb
