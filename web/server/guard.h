/*
 * What is refused before a handler runs: requests that two programs could read differently (smuggling), and those that
 * come from a page that pointed its own name at us (DNS rebinding).
 *
 * Pure. Source: RFC 9112 sections 3.2, 6.1, 6.3; RFC 9110 section 10.1.1.
 */
#pragma once
#include "src/base/error.h"
#include "src/base/str.h"

struct mg_request_info;

struct guard {
    bool local_only;          /* check Host against rebinding */
    struct str external_host; /* without port; may be empty */
};

/* 0, or the status to refuse with and why. Fields that civetweb reads leniently are read strictly here. */
int guard_check(const struct guard *guard, const struct mg_request_info *info, struct error *err) MUST_USE;
/* Host name of "host:port", "[::1]:80" (without brackets) or an URL of it. */
struct str guard_host_name(struct str text);
bool guard_host_allowed(const struct guard *guard, struct str host_header);
