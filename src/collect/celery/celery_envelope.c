#include "src/collect/celery/celery_envelope.h"

#include "src/base/codec.h"
#include "src/base/json_writer.h"
#include "src/collect/celery/celery_json.h"

static const char *const fault_names[CELERY_FAULT_COUNT] = {
    [CELERY_OK] = "ok",
    [CELERY_TOO_LARGE] = "too_large",
    [CELERY_NOT_JSON] = "not_json",
    [CELERY_NO_BODY] = "no_body",
    [CELERY_BAD_BASE64] = "bad_base64",
    [CELERY_SERIALIZER] = "serializer",
    [CELERY_COMPRESSED] = "compressed",
    [CELERY_BAD_BODY] = "bad_body",
    [CELERY_BAD_EVENT] = "bad_event",
};

const char *celery_fault_name(enum celery_fault fault)
{
    return fault < CELERY_FAULT_COUNT ? fault_names[fault] : "unknown";
}

void celery_envelope_init(struct celery_envelope *e)
{
    buf_init(&e->body, CELERY_BODY_MAX);
    e->ticket[0] = '\0';
}

void celery_envelope_release(struct celery_envelope *e)
{
    buf_release(&e->body);
}

static bool contains(struct str text, struct str needle)
{
    return text.len >= needle.len && memmem(text.p, text.len, needle.p, needle.len);
}

/*
 * The shape every kombu sends, `{"body": "<base64>", ... "body_encoding": "base64" ...}`, without parsing it: an
 * unescaped quote cannot stand inside a JSON text, so the words searched for are keys and values. Anything else, also
 * a body that does not decode because a sender escaped its slashes, takes the slow way.
 */
static bool find_plain_body(struct str payload, struct str *encoded)
{
    const struct str start = STR("{\"body\": \"");
    if (!str_starts(payload, start) || payload.p[payload.len - 1] != '}') {
        return false;
    }
    struct str rest = str_slice(payload, start.len, payload.len);
    const char *end = memchr(rest.p, '"', rest.len);
    if (!end) {
        return false;
    }
    size_t len = (size_t)(end - rest.p);
    struct str tail = str_slice(rest, len, rest.len);
    if (!contains(tail, STR("\"content-type\": \"application/json\"")) ||
        !contains(tail, STR("\"body_encoding\": \"base64\"")) || contains(tail, STR("\"compression\"")) ||
        contains(tail, STR("\"body\""))) {
        return false;
    }
    *encoded = str_make(rest.p, len);
    return true;
}

static enum celery_fault decode_body(struct celery_envelope *e, struct str encoded)
{
    if (encoded.len / 4 * 3 > CELERY_BODY_MAX) {
        return CELERY_TOO_LARGE;
    }
    return base64_decode(encoded, &e->body) && !e->body.failed ? CELERY_OK : CELERY_BAD_BASE64;
}

static enum celery_fault read_parsed(struct celery_envelope *e, const json_t *root)
{
    const json_t *headers = json_object_get(root, "headers");
    struct str ticket = celery_json_text(json_object_get(headers, "ticket"));
    if (ticket.len < sizeof(e->ticket)) {
        memcpy(e->ticket, ticket.p ? ticket.p : "", ticket.len);
        e->ticket[ticket.len] = '\0';
    }
    const json_t *compression = json_object_get(headers, "compression");
    if (compression && !json_is_null(compression)) {
        return CELERY_COMPRESSED;
    }
    struct str type = celery_json_text(json_object_get(root, "content-type"));
    if (type.len && !str_is(type, "application/json")) {
        return CELERY_SERIALIZER;
    }
    const json_t *body = json_object_get(root, "body");
    if (!json_is_string(body)) {
        return CELERY_NO_BODY;
    }
    const json_t *properties = json_object_get(root, "properties");
    if (str_is(celery_json_text(json_object_get(properties, "body_encoding")), "base64")) {
        return decode_body(e, celery_json_text(body));
    }
    buf_add(&e->body, celery_json_text(body));
    return e->body.failed ? CELERY_TOO_LARGE : CELERY_OK;
}

enum celery_fault celery_envelope_read(struct celery_envelope *e, struct str payload, bool want_ticket)
{
    buf_clear(&e->body);
    e->ticket[0] = '\0';
    if (payload.len > CELERY_PAYLOAD_MAX) {
        return CELERY_TOO_LARGE;
    }
    struct str encoded;
    if (!want_ticket && find_plain_body(payload, &encoded)) {
        if (decode_body(e, encoded) == CELERY_OK) {
            return CELERY_OK;
        }
        buf_clear(&e->body);
    }
    json_t *root = celery_json_parse(payload);
    if (!json_is_object(root)) {
        json_decref(root);
        return CELERY_NOT_JSON;
    }
    enum celery_fault fault = read_parsed(e, root);
    json_decref(root);
    return fault;
}

void celery_envelope_write(struct buf *out, struct str exchange, struct str body)
{
    auto_buf encoded;
    buf_init(&encoded, out->max);
    base64_encode(body, &encoded);
    char tag[UUID_LEN + 1];
    uuid_random(tag);

    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_field(&w, "body", json_str, buf_str(&encoded));
    json_field(&w, "content-encoding", json_str, STR("utf-8"));
    json_field(&w, "content-type", json_str, STR("application/json"));
    json_key(&w, STR("headers"));
    json_begin_object(&w);
    json_end_object(&w);
    json_key(&w, STR("properties"));
    json_begin_object(&w);
    json_field(&w, "delivery_mode", json_int, 2);
    json_key(&w, STR("delivery_info"));
    json_begin_object(&w);
    json_field(&w, "exchange", json_str, exchange);
    json_field(&w, "routing_key", json_str, STR(""));
    json_end_object(&w);
    json_field(&w, "priority", json_int, 0);
    json_field(&w, "body_encoding", json_str, STR("base64"));
    json_field(&w, "delivery_tag", json_str, str_of(tag));
    json_end_object(&w);
    json_end_object(&w);
}
