# Language level, warnings, sanitizers and output folders, the same for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# -O2 rather than -O3: the programs wait for the network and for PostgreSQL, and compile faster this way.
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g1")

add_library(pgaf_options INTERFACE)
target_include_directories(pgaf_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(pgaf_options INTERFACE -Wall -Wextra -Wpedantic -Werror -Wnon-virtual-dtor
  -Woverloaded-virtual)
target_compile_definitions(pgaf_options INTERFACE PGAF_VERSION="${PROJECT_VERSION}")

set(PGAF_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, for example address,undefined")
if(PGAF_SANITIZE)
  if(NOT PGAF_FUZZ)
    # With -O1 instrumented code takes twice as long to compile; the simulator, which needs it, sets it for itself.
    set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
    # Options and suppressions, in each program. The fuzz targets' own runner has others.
    add_library(pgaf_sanitizer_options OBJECT "${CMAKE_SOURCE_DIR}/tests/sanitizers/options.cc")
    target_compile_options(pgaf_sanitizer_options PRIVATE -fno-sanitize=all)  # called before a runtime is ready
    link_libraries("$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:$<TARGET_OBJECTS:pgaf_sanitizer_options>>")
  endif()
  add_compile_options(-fsanitize=${PGAF_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    -fno-optimize-sibling-calls)
  add_link_options(-fsanitize=${PGAF_SANITIZE})
  # Bounds of the standard library's containers, which no sanitizer sees inside of an allocation.
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # This one misfires on instrumented code.
    target_compile_options(pgaf_options INTERFACE -Wno-maybe-uninitialized)
  endif()
  if(PGAF_SANITIZE MATCHES thread)
    # It does not know fences; Asio's queues are ordered by their mutexes without them.
    target_compile_options(pgaf_options INTERFACE -Wno-tsan)
    target_compile_definitions(pgaf_options INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()

find_program(PGAF_CCACHE ccache)
if(PGAF_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${PGAF_CCACHE})
endif()

find_program(PGAF_LLD ld.lld)
if(PGAF_LLD)
  add_link_options(-fuse-ld=lld)
endif()
