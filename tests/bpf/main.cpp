// Without the right to load BPF programs nothing here can run: it says so and counts as skipped.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "program.h"

int main(int argc, char** argv) {
  const std::string reason = xlb::test::why_not_loadable();
  if (!reason.empty()) {
    std::printf("SKIPPED: bpf tests: cannot load a BPF program (CAP_BPF, CAP_NET_ADMIN): %s\n",
                reason.c_str());
    return 0;
  }
  return doctest::Context(argc, argv).run();
}
