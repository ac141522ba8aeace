#include "dataplane_programs.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "dataplane_programs.skel.h"

namespace xlb::bench {
namespace {

// Keys and values of the maps, as dataplane_programs.bpf.c has them.
struct ServerKey4 {
  uint8_t address[4];
  uint16_t port;  // network order
  uint16_t protocol;
};
struct ServerKey6 {
  uint8_t address[16];
  uint16_t port;  // network order
  uint16_t protocol;
};
struct Macs {
  uint8_t destination[6];
  uint8_t source[6];
  uint32_t zero;
};

template <typename Key>
int put_server(bpf_map* map, const LruSetup::Server& server) {
  Key key{};
  std::copy_n(server.address.begin(), sizeof(key.address), key.address);
  key.port = htons(server.port);
  key.protocol = server.protocol;
  const uint32_t value = 1;
  return bpf_map__update_elem(map, &key, sizeof(key), &value, sizeof(value), 0);
}

int fill(const dataplane_programs_bpf& skeleton, const LruSetup& lru) {
  Macs macs{};
  std::copy_n(lru.destination_mac.begin(), sizeof(macs.destination), macs.destination);
  std::copy_n(lru.source_mac.begin(), sizeof(macs.source), macs.source);
  const uint32_t count = bpf_map__max_entries(skeleton.maps.real_servers);
  int failed = 0;
  for (uint32_t i = 0; i < count && failed == 0; i++)
    failed =
        bpf_map__update_elem(skeleton.maps.real_servers, &i, sizeof(i), &macs, sizeof(macs), 0);
  for (const auto& server : lru.servers) {
    if (failed != 0) break;
    failed = server.address.size() == sizeof(ServerKey4::address)
                 ? put_server<ServerKey4>(skeleton.maps.servers4, server)
                 : put_server<ServerKey6>(skeleton.maps.servers6, server);
  }
  return failed;
}

}  // namespace

void Programs::Destroy::operator()(dataplane_programs_bpf* skeleton) const {
  dataplane_programs_bpf__destroy(skeleton);
}

Result<Programs> Programs::load(const LruSetup& lru) {
  Programs programs;
  programs.skeleton_.reset(dataplane_programs_bpf__open());
  if (!programs.skeleton_) return fail_errno(errno, "cannot open the programs to compare with");
  dataplane_programs_bpf& skeleton = *programs.skeleton_;
  (void)bpf_map__set_max_entries(skeleton.maps.flows4, lru.flows);
  (void)bpf_map__set_max_entries(skeleton.maps.flows6, lru.flows);
  const int failed = dataplane_programs_bpf__load(&skeleton);
  if (failed != 0) return fail_errno(failed, "cannot load the programs to compare with");
  const int refused = fill(skeleton, lru);
  if (refused != 0) return fail_errno(refused, "cannot fill the maps of the program lru");
  return programs;
}

int Programs::find(std::string_view name) const {
  const bpf_program* const program =
      bpf_object__find_program_by_name(skeleton_->obj, std::string(name).c_str());
  return program != nullptr ? bpf_program__fd(program) : -1;
}

}  // namespace xlb::bench
