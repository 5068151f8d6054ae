/*
 * What to watch when no configuration names it: the twelve-factor variables CELERY_BROKER_URL, CELERY_RESULT_BACKEND,
 * REDIS_URL, DATABASE_URL; where none is set, Redis and PostgreSQL at their usual ports of this machine, if something
 * answers there. What was found and how, and what was looked for in vain, is written as JSON for the board's "config"
 * document; without secrets.
 */
#pragma once
#include "config/config.h"
#include "src/base/vec.h"

typedef vec(struct config_target) config_target_vec;

/* Appends targets with url, kind and name set (defaults are the caller's). `json` receives
 * {"found":[..],"missing":[..]}. */
void discover_targets(struct arena *arena, config_target_vec *targets, struct buf *json);
/* True if a TCP connection to 127.0.0.1:port succeeds at once. Loopback only: it does not wait. */
bool discover_port_answers(int port);
