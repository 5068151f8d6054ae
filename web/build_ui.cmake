# cmake -D SOURCE=web/ui -D WORK=dir -D OUT=dir -P build_ui.cmake
# Builds the pages on a copy of their sources, so that the source tree stays clean; npm ci runs only when
# package-lock.json has changed since its last run.
cmake_minimum_required(VERSION 3.25)
find_program(NPM npm REQUIRED)

file(REMOVE_RECURSE "${WORK}/src" "${WORK}/test" "${OUT}")
file(GLOB entries RELATIVE "${SOURCE}" "${SOURCE}/*")
list(REMOVE_ITEM entries node_modules dist build-test)
foreach(entry IN LISTS entries)
  file(COPY "${SOURCE}/${entry}" DESTINATION "${WORK}")
endforeach()

file(SHA256 "${WORK}/package-lock.json" lock)
set(stamp "${WORK}/node_modules/.lock-hash")
set(installed "")
if(EXISTS "${stamp}")
  file(READ "${stamp}" installed)
endif()
if(NOT installed STREQUAL lock)
  message(STATUS "web/ui: npm ci")
  execute_process(COMMAND "${NPM}" ci --no-audit --no-fund --loglevel=error WORKING_DIRECTORY "${WORK}" RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "npm ci failed: is the npm registry reachable? -DCLOCHE_UI=OFF builds without the pages")
  endif()
  file(WRITE "${stamp}" "${lock}")
endif()

execute_process(COMMAND "${CMAKE_COMMAND}" -E env "OUT_DIR=${OUT}" "${NPM}" run --silent build WORKING_DIRECTORY "${WORK}"
  RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "building web/ui failed: the messages above say where")
endif()
