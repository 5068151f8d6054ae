/* Receivers and the route to them. */
#include "config/config_internal.h"
#include "src/base/vec.h"

struct receiver_document {
    struct str name;
    struct yaml_node *slack, *webhook;
};
static const struct option receiver_options[] = {
    {OPTION(struct receiver_document, "name", OPTION_STR, name)},
    {OPTION(struct receiver_document, "slack_configs", OPTION_NODE, slack)},
    {OPTION(struct receiver_document, "webhook_configs", OPTION_NODE, webhook)},
};

struct item_document {
    struct str url, channel, username, icon_emoji, title, text, bearer_token;
    bool send_resolved;
    int64_t max_alerts;
};
static const struct option slack_options[] = {
    {OPTION(struct item_document, "api_url", OPTION_SECRET, url)},
    {OPTION(struct item_document, "channel", OPTION_STR, channel)},
    {OPTION(struct item_document, "username", OPTION_STR, username)},
    {OPTION(struct item_document, "icon_emoji", OPTION_STR, icon_emoji)},
    {OPTION(struct item_document, "title", OPTION_STR, title)},
    {OPTION(struct item_document, "text", OPTION_STR, text)},
    {OPTION(struct item_document, "send_resolved", OPTION_BOOL, send_resolved), .fallback = "true"},
};
static const struct option webhook_options[] = {
    {OPTION(struct item_document, "url", OPTION_SECRET, url)},
    {OPTION(struct item_document, "bearer_token", OPTION_SECRET, bearer_token)},
    {OPTION(struct item_document, "max_alerts", OPTION_INT, max_alerts), .fallback = "0", .min = 0, .max = 100000},
    {OPTION(struct item_document, "send_resolved", OPTION_BOOL, send_resolved), .fallback = "true"},
};

struct route_document {
    struct str receiver;
    struct option_list group_by;
    int64_t wait_ms, interval_ms, repeat_ms;
};
static const struct option route_options[] = {
    {OPTION(struct route_document, "receiver", OPTION_STR, receiver)},
    {OPTION(struct route_document, "group_by", OPTION_STR_LIST, group_by), .fallback = "alertname"},
    {OPTION(struct route_document, "group_wait", OPTION_DURATION, wait_ms), .fallback = "30s", .min = 0, .max = DAY},
    {OPTION(struct route_document, "group_interval", OPTION_DURATION, interval_ms), .fallback = "5m", .min = SECOND,
     .max = DAY},
    {OPTION(struct route_document, "repeat_interval", OPTION_DURATION, repeat_ms), .fallback = "4h", .min = SECOND,
     .max = 30 * DAY},
};

typedef vec(struct config_receiver_item) item_vec;

static int decode_items(struct config *config, enum config_receiver_kind kind, const struct yaml_node *list,
                        item_vec *items, struct error *err)
{
    if (!list) {
        return 0;
    }
    bool slack = kind == RECEIVER_SLACK;
    if (list->type != YAML_SEQUENCE) {
        return error_set_at(err, ERR_CONFIG, AT(list), "\"%s\" is a list", slack ? "slack_configs" : "webhook_configs");
    }
    for (size_t i = 0; i < list->count; i++) {
        struct item_document d = {0};
        int rc = slack ? option_decode(slack_options, COUNT(slack_options), &list->items[i], "slack receiver",
                                       &config->arena, &d, err)
                       : option_decode(webhook_options, COUNT(webhook_options), &list->items[i], "webhook receiver",
                                       &config->arena, &d, err);
        if (rc) {
            return rc;
        }
        if (!str_starts(d.url, STR("http://")) && !str_starts(d.url, STR("https://"))) {
            return error_set_at(err, ERR_CONFIG, AT(&list->items[i]),
                                "needs \"%s\" (or \"%s_file\") beginning with https:// or http://",
                                slack ? "api_url" : "url", slack ? "api_url" : "url");
        }
        vec_push(items, (struct config_receiver_item){.kind = kind,
                                                      .url = d.url,
                                                      .channel = d.channel,
                                                      .username = d.username,
                                                      .icon_emoji = d.icon_emoji,
                                                      .title = d.title,
                                                      .text = d.text,
                                                      .bearer_token = d.bearer_token,
                                                      .send_resolved = d.send_resolved,
                                                      .max_alerts = (int32_t)d.max_alerts});
    }
    return 0;
}

static int decode_receiver(struct config *config, const struct yaml_node *node, struct config_receiver *out,
                           struct error *err)
{
    struct receiver_document d = {0};
    int rc = option_decode(receiver_options, COUNT(receiver_options), node, "receiver", &config->arena, &d, err);
    if (rc) {
        return rc;
    }
    if (!d.name.len) {
        return error_set_at(err, ERR_CONFIG, AT(node), "a receiver needs a \"name\"");
    }
    item_vec items = {0};
    rc = decode_items(config, RECEIVER_SLACK, d.slack, &items, err);
    rc = rc ? rc : decode_items(config, RECEIVER_WEBHOOK, d.webhook, &items, err);
    if (!rc) {
        struct config_receiver_item *v = arena_array(&config->arena, struct config_receiver_item, items.len + 1);
        if (items.len) {
            memcpy(v, items.p, items.len * sizeof(*v));
        }
        *out = (struct config_receiver){.name = d.name, .items = v, .count = items.len};
    }
    vec_release(&items);
    return rc;
}

static int decode_receivers(struct config *config, const struct document *doc, struct error *err)
{
    const struct yaml_node *list = doc->receivers;
    if (!list) {
        return 0;
    }
    if (list->type != YAML_SEQUENCE) {
        return error_set_at(err, ERR_CONFIG, AT(list), "\"receivers\" is a list");
    }
    struct config_receiver *v = arena_array(&config->arena, struct config_receiver, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        int rc = decode_receiver(config, &list->items[i], &v[i], err);
        if (rc) {
            return rc;
        }
        for (size_t j = 0; j < i; j++) {
            if (str_eq(v[j].name, v[i].name)) {
                return error_set_at(err, ERR_CONFIG, AT(&list->items[i]),
                                    "there are two receivers named \"" STR_FMT "\"", STR_ARG(v[i].name));
            }
        }
    }
    config->receivers = v;
    config->receiver_count = list->count;
    return 0;
}

static int decode_route(struct config *config, const struct document *doc, struct error *err)
{
    struct route_document d = {0};
    int rc = option_decode(route_options, COUNT(route_options), doc->route, "route", &config->arena, &d, err);
    if (rc) {
        return rc;
    }
    bool known = !d.receiver.len;
    for (size_t i = 0; i < config->receiver_count; i++) {
        known = known || str_eq(config->receivers[i].name, d.receiver);
    }
    if (!known) {
        return error_set_at(err, ERR_CONFIG, AT(doc->route), "route: there is no receiver named \"" STR_FMT "\"",
                            STR_ARG(d.receiver));
    }
    config->route = (struct config_route){
        .receiver = d.receiver.len || !config->receiver_count ? d.receiver : config->receivers[0].name,
        .group_by = d.group_by.v,
        .group_by_count = d.group_by.n,
        .group_wait_ms = d.wait_ms,
        .group_interval_ms = d.interval_ms,
        .repeat_interval_ms = d.repeat_ms,
    };
    return 0;
}

int config_find_receivers(struct config *config, const struct document *doc, struct error *err)
{
    int rc = decode_receivers(config, doc, err);
    return rc ? rc : decode_route(config, doc, err);
}
