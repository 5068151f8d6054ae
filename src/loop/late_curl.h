/* libcurl's functions, opened late (late.h). */
#pragma once
#include "src/loop/late.h"

#define CURL_DISABLE_TYPECHECK /* its macros know no function in a struct */
#include <curl/curl.h>

struct curl_functions {
#define LATE(name) __typeof__(name) *name;
#include "src/loop/late_curl.def"
#undef LATE
};
/* To be called through once curl_open() has returned 0. */
extern struct curl_functions curl;
int curl_open(struct error *err) MUST_USE;
