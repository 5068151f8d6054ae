/*
 * TLS over memory: bytes in, bytes out, no socket. OpenSSL between two memory BIOs.
 *
 * Threads: loop only. Errors: OpenSSL's reason, and what to do about it.
 */
#pragma once
#include "src/base/buf.h"
#include "src/base/error.h"

struct tls_options {
    struct str ca_file, cert_file, key_file; /* empty: the system's authorities; no client certificate */
    bool verify;                             /* the server's certificate must be signed by an authority */
    bool check_name;                         /* and name the host */
};

/* Files and settings, read once. */
struct tls_context;
int tls_context_new(const struct tls_options *options, struct tls_context **out, struct error *err) MUST_USE;
void tls_context_free(struct tls_context *context);

/* A connection as client. host: its name or address, for SNI and the name check. */
struct tls;
struct tls *tls_new(const struct tls_context *context, const char *host);
void tls_free(struct tls *tls);
/* Bytes from the network. */
void tls_feed(struct tls *tls, const char *p, size_t n);
/* 1: done, 0: needs more from the network, negative: failed. May leave bytes for tls_take() in each case. */
int tls_handshake(struct tls *tls, struct error *err);
/* Decrypted bytes: their number, 0 if there are none yet, negative: failed, or ERR_CLOSED by the peer. */
ptrdiff_t tls_read(struct tls *tls, char *p, size_t n, struct error *err);
/* After the handshake. */
int tls_write(struct tls *tls, struct str plain, struct error *err);
/* Appends what must be sent to the network. */
void tls_take(struct tls *tls, struct buf *out);
