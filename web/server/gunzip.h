/*
 * gzip to plain bytes, never more of them than is said. Pure.
 *
 * Source: RFC 1952; a text of several members is one text, as gunzip reads it.
 */
#pragma once
#include "src/base/buf.h"
#include "src/base/error.h"

/* Appends to out. ERR_LIMIT: more than max_bytes; ERR_PARSE: no whole gzip; err's text says which. */
int gunzip(struct str gzip, size_t max_bytes, struct buf *out, struct error *err) MUST_USE;
