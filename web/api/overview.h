/*
 * The parts of /api/ui/overview, each written by a function of its own. Numbers come from PromQL over stored series
 * and from documents of the board; what cannot be answered is null, with a sentence why.
 */
#pragma once
#include "web/api/run.h"

#include <jansson.h>

struct overview {
    struct http_request *request;
    const struct api_context *api;
    int64_t now_ms;
    json_t *workers, *queues, *targets; /* board documents; NULL: not published */
};

/* The one value of an instant query; NaN when there is none or it fails. */
double overview_value(const struct overview *o, const char *promql);
/* Instant vector; n is 0 on failure. */
struct query_result overview_vector(const struct overview *o, const char *promql);
/* The last hour in steps of a minute. */
struct query_result overview_range(const struct overview *o, const char *promql);
/* "name": [[t,v],…] of the series, null for none. */
void overview_spark(struct json_writer *w, const char *name, const struct result_series *series);
/* "name": number, or null for NaN. */
void overview_number(struct json_writer *w, const char *name, double value);
/* Text and number of a member of a board object; "" and NaN if it is not there. */
struct str overview_text(const json_t *object, const char *name);
double overview_member(const json_t *object, const char *name);

void overview_verdicts(const struct overview *o, struct json_writer *w);
void overview_queues(const struct overview *o, struct json_writer *w);
void overview_services(const struct overview *o, struct json_writer *w);
