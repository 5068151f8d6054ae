# cmake -D SOURCE=web -D WORK=build/web -P ui_units.cmake
# Runs the pages' unit tests where the build has installed their packages, on fresh copies of what they read.
file(REMOVE_RECURSE "${WORK}/ui/test" "${WORK}/dashboards")
file(COPY "${SOURCE}/ui/test" "${SOURCE}/ui/src" DESTINATION "${WORK}/ui")
file(COPY "${SOURCE}/dashboards" DESTINATION "${WORK}")
execute_process(COMMAND "${NPM}" test --silent WORKING_DIRECTORY "${WORK}/ui" RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "the pages' unit tests failed")
endif()
