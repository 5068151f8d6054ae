/* The documents "rules" and "alerts": data of Prometheus' GET /api/v1/rules and /api/v1/alerts, with a little more. */
#include "alerts/alerts_internal.h"
#include "src/base/clock.h"
#include "src/base/json_writer.h"
#include "src/base/number.h"

#include <math.h>

void view_value(double v, struct buf *out)
{
    char text[NUMBER_MAX], digits[NUMBER_MAX];
    size_t len = number_format_g(v, text), n = 0;
    if (!isfinite(v)) {
        buf_add(out, str_make(text, len));
        return;
    }
    /* Digits and exponent of the shortest form, whatever shape it has: "0.065" "6.5e-07" "123" */
    int exponent = 0, point = -1, lead = -1, count = 0;
    size_t i = text[0] == '-';
    for (; i < len && text[i] != 'e'; i++) {
        if (text[i] == '.') {
            point = count;
            continue;
        }
        if (lead < 0 && text[i] != '0') {
            lead = count;
        }
        if (lead >= 0) {
            digits[n++] = text[i];
        }
        count++;
    }
    if (i < len) {
        int64_t e = 0;
        size_t from = i + 1 + (text[i + 1] == '+');
        exponent = str_to_int64(str_make(text + from, len - from), &e) ? (int)e : 0;
    }
    exponent += lead < 0 ? 0 : (point < 0 ? count : point) - 1 - lead;
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    if (lead < 0) {
        digits[0] = '0';
        n = 1;
    }
    buf_addf(out, "%s%c%s%.*se%c%02d", text[0] == '-' ? "-" : "", digits[0], n > 1 ? "." : "", (int)(n - 1), digits + 1,
             exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
}

static void write_labels(struct json_writer *w, struct labels labels)
{
    json_begin_object(w);
    for (uint32_t i = 0; i < labels.n; i++) {
        json_key(w, labels.v[i].name);
        json_str(w, labels.v[i].value);
    }
    json_end_object(w);
}

static void write_time(struct json_writer *w, int64_t wall_ms)
{
    auto_buf text;
    buf_init(&text, 64);
    if (wall_ms) {
        clock_format_rfc3339(wall_ms, &text);
    } else {
        buf_add(&text, STR("0001-01-01T00:00:00Z"));
    }
    json_str(w, buf_str(&text));
}

static void write_id(struct json_writer *w, uint64_t id)
{
    char text[17];
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)id);
    json_str(w, str_of(text));
}

static void write_us(struct json_writer *w, int64_t us)
{
    json_double(w, (double)us / 1e6);
}

static void write_alert(struct json_writer *w, const struct rule_run *run, const struct alert_instance *a, bool full)
{
    auto_buf value;
    buf_init(&value, 64);
    view_value(a->value, &value);
    json_begin_object(w);
    json_field(w, "labels", write_labels, a->labels);
    json_field(w, "annotations", write_labels, a->annotations);
    json_field(w, "state", json_str, str_of(alert_state_name(a->state)));
    json_field(w, "activeAt", write_time, a->active_at_ms);
    if (a->keep_firing_since_ms) {
        json_field(w, "keepFiringSince", write_time, a->keep_firing_since_ms);
    }
    json_field(w, "value", json_str, buf_str(&value));
    if (full) {
        json_field(w, "id", write_id, a->id);
        json_field(w, "ruleId", write_id, run->rule->id);
        json_key(w, STR("firedAt"));
        if (a->state == ALERT_FIRING) {
            write_time(w, a->fired_at_ms);
        } else {
            json_nil(w);
        }
        json_field(w, "summary", json_str, labels_get(a->annotations, STR("summary")));
        json_field(w, "description", json_str, labels_get(a->annotations, STR("description")));
    }
    json_end_object(w);
}

static const char *rule_state(const struct rule_run *run)
{
    enum alert_state worst = ALERT_INACTIVE;
    for (size_t i = 0; i < run->states.v.len; i++) {
        worst = run->states.v.p[i]->state > worst ? run->states.v.p[i]->state : worst;
    }
    return alert_state_name(worst);
}

static void write_alert_rule(struct json_writer *w, const struct rule_run *run)
{
    const struct rule *rule = run->rule;
    json_field(w, "state", json_str, str_of(rule_state(run)));
    json_field(w, "name", json_str, rule->name);
    json_field(w, "query", json_str, rule->expr_text);
    json_field(w, "duration", json_double, (double)rule->for_ms / 1000);
    json_field(w, "keepFiringFor", json_double, (double)rule->keep_firing_for_ms / 1000);
    json_field(w, "labels", write_labels, rule->label_sources);
    json_field(w, "annotations", write_labels, rule->annotation_sources);
    json_key(w, STR("alerts"));
    json_begin_array(w);
    for (size_t i = 0; i < run->states.v.len; i++) {
        if (run->states.v.p[i]->state != ALERT_INACTIVE) {
            write_alert(w, run, run->states.v.p[i], false);
        }
    }
    json_end_array(w);
}

static void write_rule(struct json_writer *w, const struct rule_run *run)
{
    static const char *const health[] = {"unknown", "ok", "err"};
    bool alert = run->rule->type == RULE_ALERT;
    json_begin_object(w);
    if (alert) {
        write_alert_rule(w, run);
    } else {
        json_field(w, "name", json_str, run->rule->name);
        json_field(w, "query", json_str, run->rule->expr_text);
        if (run->rule->label_sources.n) {
            json_field(w, "labels", write_labels, run->rule->label_sources);
        }
    }
    json_field(w, "health", json_str, str_of(health[run->health]));
    if (run->error[0]) {
        json_field(w, "lastError", json_str, str_of(run->error));
    }
    json_field(w, "evaluationTime", write_us, run->took_us);
    json_field(w, "lastEvaluation", write_time, run->last_ms);
    json_field(w, "type", json_str, alert ? STR("alerting") : STR("recording"));
    json_field(w, "id", write_id, run->rule->id);
    json_end_object(w);
}

static void write_group(struct json_writer *w, const struct group_run *group)
{
    json_begin_object(w);
    json_field(w, "name", json_str, group->def->name);
    json_field(w, "file", json_str, group->file->name);
    json_key(w, STR("rules"));
    json_begin_array(w);
    for (size_t i = 0; i < group->n; i++) {
        write_rule(w, &group->rules[i]);
    }
    json_end_array(w);
    json_field(w, "interval", json_double, (double)group->interval_ms / 1000);
    json_field(w, "limit", json_int, (int64_t)group->def->limit);
    json_field(w, "evaluationTime", write_us, group->took_us);
    json_field(w, "lastEvaluation", write_time, group->last_ms);
    json_field(w, "missed", json_int, (int64_t)group->missed);
    json_end_object(w);
}

static void publish_rules(struct alerts *alerts)
{
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 64u << 20);
    json_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, STR("groups"));
    json_begin_array(&w);
    for (size_t g = 0; g < alerts->groups.len; g++) {
        write_group(&w, alerts->groups.p[g]);
    }
    json_end_array(&w);
    json_end_object(&w);
    if (!out.failed) {
        board_publish(alerts->board, "rules", buf_str(&out));
    }
}

static void publish_alerts(struct alerts *alerts)
{
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 64u << 20);
    json_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, STR("alerts"));
    json_begin_array(&w);
    for (size_t g = 0; g < alerts->groups.len; g++) {
        const struct group_run *group = alerts->groups.p[g];
        for (size_t i = 0; i < group->n; i++) {
            const struct rule_run *run = &group->rules[i];
            for (size_t k = 0; k < run->states.v.len; k++) {
                if (run->states.v.p[k]->state != ALERT_INACTIVE) {
                    write_alert(&w, run, run->states.v.p[k], true);
                }
            }
        }
    }
    json_end_array(&w);
    json_end_object(&w);
    if (!out.failed) {
        board_publish(alerts->board, "alerts", buf_str(&out));
    }
}

void view_publish(struct alerts *alerts)
{
    if (alerts->board_changed) {
        alerts->board_changed = false;
        publish_rules(alerts);
        publish_alerts(alerts);
    }
    notify_publish(alerts->notify);
}
