/* A target's own copy of its configuration, and whether a reload has changed it. */
#pragma once
#include "config/config.h"

/* Every text is copied into the arena; an interval or time-out that is missing or out of its bounds gets its default.
 */
struct config_target target_config_dup(struct arena *arena, const struct config_target *config);
/* Every member counts: a new member of struct config_target belongs into both functions. */
bool target_config_equal(const struct config_target *a, const struct config_target *b);
/* The label instance, where the collector sets no other: host:port of the URL, the socket's path, or this host's name.
 */
struct str target_default_instance(struct arena *arena, struct str url);
