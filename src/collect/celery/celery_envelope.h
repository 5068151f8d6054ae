/*
 * Kombu's message envelope on Redis: reading the body out of it, and making one around a remote-control request.
 *
 * Source: kombu/transport/virtual/base.py and redis.py (5.2 to 5.6), captures of both. Pure: no I/O. What comes in is
 * hostile: sizes are limited, other serializers than JSON are refused, nothing is ever unpickled.
 * Ownership: the body lives in the envelope's buffer until the next read or celery_envelope_release().
 */
#pragma once
#include "src/base/buf.h"

#define CELERY_BODY_MAX    (1u << 20) /* bytes of a decoded body */
#define CELERY_PAYLOAD_MAX (2u << 20) /* bytes of an envelope */

/* Why a message could not be used; each is counted by itself. */
enum celery_fault {
    CELERY_OK,
    CELERY_TOO_LARGE,
    CELERY_NOT_JSON,   /* the envelope */
    CELERY_NO_BODY,    /* the envelope has no text body */
    CELERY_BAD_BASE64, /* body_encoding says base64, the body is none */
    CELERY_SERIALIZER, /* content-type other than application/json */
    CELERY_COMPRESSED, /* headers.compression is set */
    CELERY_BAD_BODY,   /* the body is not JSON, or neither object nor array */
    CELERY_BAD_EVENT,  /* an event without type, uuid or hostname */
    CELERY_FAULT_COUNT
};
const char *celery_fault_name(enum celery_fault fault); /* "too_large", ... */

struct celery_envelope {
    struct buf body;
    char ticket[64]; /* headers.ticket of a reply; "" if absent or longer */
};
void celery_envelope_init(struct celery_envelope *e);
void celery_envelope_release(struct celery_envelope *e);
/* On CELERY_OK e->body holds the decoded body. Events do not need the ticket, which costs a full parse. */
enum celery_fault celery_envelope_read(struct celery_envelope *e, struct str payload, bool want_ticket);
/* The full form around a body; celery workers die with KeyError when properties.delivery_tag is missing. */
void celery_envelope_write(struct buf *out, struct str exchange, struct str body);
