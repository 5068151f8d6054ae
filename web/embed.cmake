# cmake -D PAGES=dir -D DASHBOARDS=dir -D OUT=file.c -D WORK=dir -P embed.cmake
# Compresses every file of the built pages and every shipped dashboard, and writes the table of web/server/embed.h.
# The C file changes whenever a file does (it holds their hashes), so that .incbin is read again.
cmake_minimum_required(VERSION 3.25)
find_program(GZIP gzip REQUIRED)

set(type_html "text/html; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_json "application/json")
set(type_svg "image/svg+xml")
set(type_png "image/png")
set(type_ico "image/x-icon")
set(type_woff2 "font/woff2")
set(type_txt "text/plain; charset=utf-8")
set(type_webmanifest "application/manifest+json")

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
set(index 0)
set(asm "")
set(externs "")
set(rows "")

function(embed_file source path)
  get_filename_component(extension "${source}" LAST_EXT)
  string(SUBSTRING "${extension}" 1 -1 extension)
  if(NOT DEFINED type_${extension})
    message(FATAL_ERROR "web/embed.cmake knows no content type of ${source}: add one")
  endif()
  file(SHA256 "${source}" hash)
  string(SUBSTRING "${hash}" 0 20 etag)
  set(packed "${WORK}/${index}.gz")
  execute_process(COMMAND "${GZIP}" -9 -n -c INPUT_FILE "${source}" OUTPUT_FILE "${packed}" COMMAND_ERROR_IS_FATAL ANY)
  set(asm "${asm}    \".global embedded_${index}\\nembedded_${index}:\\n.incbin \\\"${packed}\\\"\\n\"\n    \".global embedded_${index}_end\\nembedded_${index}_end:\\n.byte 0\\n\"\n" PARENT_SCOPE)
  set(externs "${externs}extern const char embedded_${index}[], embedded_${index}_end[];\n" PARENT_SCOPE)
  set(rows "${rows}    {\"${path}\", \"${type_${extension}}\", \"${etag}\", embedded_${index}, embedded_${index}_end},\n" PARENT_SCOPE)
  math(EXPR next "${index} + 1")
  set(index ${next} PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE pages RELATIVE "${PAGES}" "${PAGES}/*")
foreach(path IN LISTS pages)
  embed_file("${PAGES}/${path}" "${path}")
endforeach()
file(GLOB dashboards "${DASHBOARDS}/*.json")
foreach(source IN LISTS dashboards)
  get_filename_component(name "${source}" NAME)
  embed_file("${source}" "dashboards/${name}")
endforeach()

file(WRITE "${OUT}" "/* Written by web/embed.cmake. */
#include \"web/server/embed.h\"

__asm__(\".pushsection .rodata\\n\"
${asm}    \".popsection\\n\");
${externs}
const struct embedded_file embedded_files[] = {
${rows}};
const size_t embedded_file_count = ${index};
")
