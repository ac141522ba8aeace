# bpf_object(NAME SOURCE HEADERS...): compiles SOURCE for the BPF target and generates its skeleton at build time. Link
# the INTERFACE target NAME_skel to get NAME.skel.h (struct NAME_bpf: NAME may be a namespace) and libbpf.
find_program(CLANG NAMES clang REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/local/sbin REQUIRED)

execute_process(COMMAND ${CMAKE_C_COMPILER} -print-multiarch OUTPUT_VARIABLE XLB_MULTIARCH
                OUTPUT_STRIP_TRAILING_WHITESPACE)

function(bpf_object name source)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/skel/${name}.skel.h)
  file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/skel)
  # -mcpu=v3: 32-bit registers and atomic compare-and-exchange. The multiarch folder holds <asm/types.h>.
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror
            -isystem /usr/include/${XLB_MULTIARCH} -I${PROJECT_SOURCE_DIR}/include
            -I${CMAKE_CURRENT_SOURCE_DIR} -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
    DEPENDS ${source} ${ARGN}
    COMMENT "Compiling ${source} for BPF"
    VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND echo "// NOLINTBEGIN: generated" > ${skeleton}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name}_bpf >> ${skeleton}
    COMMAND echo "// NOLINTEND" >> ${skeleton}
    DEPENDS ${object}
    COMMENT "Generating ${name}.skel.h"
    VERBATIM)
  add_custom_target(${name}_skeleton DEPENDS ${skeleton})
  add_library(${name}_skel INTERFACE)
  add_dependencies(${name}_skel ${name}_skeleton)
  target_include_directories(${name}_skel SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR}/skel)
  target_link_libraries(${name}_skel INTERFACE PkgConfig::LIBBPF)
endfunction()
