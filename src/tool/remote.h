/*
 * What export, import and backup share: the two ways to a store. A stopped cloche's data directory is opened; a running
 * one is asked over HTTP. Failures are told on stderr, in the words of tool_fail().
 */
#pragma once
#include "src/loop/http_fetch.h"
#include "src/tool/tool.h"
#include "storage/store.h"

#define REMOTE_URL "http://127.0.0.1:9900"

/* 0, or the exit status. must_exist: a directory that holds no store is refused instead of made one. */
int remote_open_store(const char *dir, bool must_exist, struct store **out) MUST_USE;

struct remote {
    const char *url;
    struct http_session *session;
};
void remote_init(struct remote *remote, const char *url);
void remote_release(struct remote *remote);
/* Appends "&name=value", encoded; a NULL value adds nothing. The first begins with '?' if the text has none. */
void remote_param(struct buf *url, const char *name, const char *value);
/* 0 if an answer with a status came; else told. */
int remote_ask(struct remote *remote, const struct http_fetch *fetch, struct http_fetched *out) MUST_USE;
/* Tells why an answer is not what was asked for: "what: " and the "error" of its JSON. Returns 1. */
int remote_refused(const struct http_fetched *answer, const char *what);
