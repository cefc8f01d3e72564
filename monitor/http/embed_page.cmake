# Writes the status page's files as byte arrays into a C++ source.
#   cmake -D FOLDER=page -D FILES=a.html,b.css -D OUTPUT=assets.cc -P embed_page.cmake
# index.html is served as /, the others below /page/.
string(REPLACE "," ";" FILES "${FILES}")
set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_svg "image/svg+xml")

set(arrays)
set(rows)
set(number 0)
foreach(name IN LISTS FILES)
  set(file "${FOLDER}/${name}")
  get_filename_component(kind "${name}" LAST_EXT)
  string(SUBSTRING "${kind}" 1 -1 kind)
  if(NOT DEFINED type_${kind})
    message(FATAL_ERROR "${file}: no content type is known for .${kind}; add it to embed_page.cmake")
  endif()
  file(READ "${file}" bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
  file(SHA256 "${file}" digest)
  string(SUBSTRING "${digest}" 0 32 digest)
  set(path "/page/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  string(APPEND arrays "const unsigned char file_${number}[] = {\n${bytes}};\n")
  string(APPEND rows "    {\"${path}\", \"${type_${kind}}\", \"\\\"${digest}\\\"\", bytes_of(file_${number})},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE "${OUTPUT}.new" "// Made by embed_page.cmake of the files in monitor/http/page.
#include \"monitor/http/assets.h\"

#include <cstddef>

namespace pgaf::monitor {
namespace {

${arrays}
template <std::size_t N>
std::string_view bytes_of(const unsigned char (&file)[N]) {
    return {reinterpret_cast<const char*>(file), N};
}

const Asset all[] = {
${rows}};

}  // namespace

const Asset* find_asset(std::string_view path) {
    for (const Asset& asset : all) {
        if (asset.path == path) return &asset;
    }
    return nullptr;
}

}  // namespace pgaf::monitor
")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
