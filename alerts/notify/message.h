/* What notifiers share: order, common labels, Go's JSON, template data. Pure. */
#pragma once
#include "alerts/notify/notifier.h"

/* Alertmanager's order: by job, instance, then the label sets. */
void notify_sort(const struct notify_alert **alerts, size_t n);
/* Labels (or annotations) that all alerts have with the same value. */
struct labels notify_common(const struct notify_message *message, bool annotations, struct arena *arena);
/* {}:{alertname="X", env="prod"} */
struct str notify_group_key(struct labels group_labels, struct arena *arena);
const char *notify_status(const struct notify_message *message); /* "firing" while one alert is */

/* Text as Go's encoding/json writes it: < > & and U+2028/9 escaped, invalid UTF-8 as \ufffd. With quotes. */
void go_json_str(struct buf *out, struct str s);
void go_json_labels(struct buf *out, struct labels labels);
/* RFC 3339 in UTC without trailing zeros in the fraction; 0 gives Go's zero time. In quotes. */
void go_json_time(struct buf *out, int64_t wall_ms);

/* Runs a template of the configuration over Alertmanager's data (.Status .Alerts .CommonLabels …). With `edit`, label
 * values and annotations pass through it first (markup of the receiver). */
typedef struct str (*notify_edit_fn)(struct str text, struct labels labels, bool is_label, struct arena *arena);
int notify_expand(const struct template *tmpl, const struct notify_message *message, notify_edit_fn edit,
                  struct arena *arena, struct str *out, struct error *err) MUST_USE;
