#include "src/loop/loop_tls.h"

#include "src/base/thread.h"
#include "src/loop/late_openssl.h"

#include <arpa/inet.h>
#include <limits.h>

struct tls_context {
    SSL_CTX *ssl;
    bool check_name;
};

struct tls {
    SSL *ssl; /* owns both BIOs */
    BIO *from_net, *to_net;
};

/* The newest error of this thread's queue, which is emptied. */
static int fail(struct error *err, int code, const char *what)
{
    unsigned long number = openssl.ERR_peek_last_error();
    const char *reason = number ? openssl.ERR_reason_error_string(number) : NULL;
    openssl.ERR_clear_error();
    return error_set(err, code, "TLS: %s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

static int fail_file(struct error *err, const char *what, struct str file)
{
    char text[200];
    snprintf(text, sizeof(text), "cannot use %s '" STR_FMT "'", what, STR_ARG(file));
    return fail(err, ERR_CONFIG, text);
}

static int load_files(SSL_CTX *ssl, const struct tls_options *options, struct error *err)
{
    char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
    struct str key_file = options->key_file.len ? options->key_file : options->cert_file; /* often one file */
    snprintf(ca, sizeof(ca), STR_FMT, STR_ARG(options->ca_file));
    snprintf(cert, sizeof(cert), STR_FMT, STR_ARG(options->cert_file));
    snprintf(key, sizeof(key), STR_FMT, STR_ARG(key_file));
    if (ca[0] && openssl.SSL_CTX_load_verify_file(ssl, ca) != 1) {
        return fail_file(err, "the authorities' file", options->ca_file);
    }
    if (!ca[0] && options->verify) {
        openssl.SSL_CTX_set_default_verify_paths(ssl);
    }
    if (cert[0] && openssl.SSL_CTX_use_certificate_chain_file(ssl, cert) != 1) {
        return fail_file(err, "the client certificate", options->cert_file);
    }
    if (cert[0] && openssl.SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1) {
        return fail_file(err, "the client key", key_file);
    }
    return 0;
}

int tls_context_new(const struct tls_options *options, struct tls_context **out, struct error *err)
{
    int rc = openssl_open(err);
    if (rc) {
        return rc;
    }
    SSL_CTX *ssl = openssl.SSL_CTX_new(openssl.TLS_client_method());
    if (!ssl) {
        return fail(err, ERR_CONFIG, "cannot be set up");
    }
    /* Three of OpenSSL's calls are macros over these; the names of the numbers say which. */
    openssl.SSL_CTX_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
    openssl.SSL_CTX_set_verify(ssl, options->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    openssl.SSL_CTX_ctrl(ssl, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
    rc = load_files(ssl, options, err);
    if (rc) {
        openssl.SSL_CTX_free(ssl);
        return rc;
    }
    struct tls_context *context = mem_alloc(sizeof(*context));
    *context = (struct tls_context){ssl, options->verify && options->check_name};
    *out = context;
    return 0;
}

void tls_context_free(struct tls_context *context)
{
    if (context) {
        openssl.SSL_CTX_free(context->ssl);
        mem_free(context);
    }
}

static void set_host(SSL *ssl, const char *host, bool check)
{
    unsigned char address[sizeof(struct in6_addr)];
    bool literal = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    if (!literal) {
        openssl.SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (char *)(uintptr_t)host);
    }
    if (check && literal) {
        openssl.X509_VERIFY_PARAM_set1_ip_asc(openssl.SSL_get0_param(ssl), host);
    } else if (check) {
        openssl.SSL_set1_host(ssl, host);
    }
}

struct tls *tls_new(const struct tls_context *context, const char *host)
{
    struct tls *tls = mem_zalloc(sizeof(*tls));
    tls->ssl = openssl.SSL_new(context->ssl);
    tls->from_net = openssl.BIO_new(openssl.BIO_s_mem());
    tls->to_net = openssl.BIO_new(openssl.BIO_s_mem());
    invariant(tls->ssl && tls->from_net && tls->to_net); /* these fail for want of memory only */
    openssl.SSL_set_bio(tls->ssl, tls->from_net, tls->to_net);
    openssl.SSL_set_connect_state(tls->ssl);
    set_host(tls->ssl, host, context->check_name);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls) {
        openssl.SSL_free(tls->ssl);
        mem_free(tls);
    }
}

void tls_feed(struct tls *tls, const char *p, size_t n)
{
    invariant(n <= INT_MAX);
    int written = openssl.BIO_write(tls->from_net, p, (int)n);
    invariant(written == (int)n); /* a memory BIO takes all */
}

static int handshake_failed(struct tls *tls, struct error *err)
{
    long verdict = openssl.SSL_get_verify_result(tls->ssl);
    if (verdict == X509_V_OK) {
        return fail(err, ERR_CONNECT, "handshake failed (does this port speak TLS?)");
    }
    openssl.ERR_clear_error();
    return error_set(err, ERR_AUTH,
                     "TLS: the server's certificate is refused: %s (name its authority with ssl_ca_certs=FILE, or use "
                     "ssl_cert_reqs=none in the URL)",
                     openssl.X509_verify_cert_error_string(verdict));
}

int tls_handshake(struct tls *tls, struct error *err)
{
    openssl.ERR_clear_error();
    int rc = openssl.SSL_do_handshake(tls->ssl);
    if (rc == 1) {
        return 1;
    }
    int why = openssl.SSL_get_error(tls->ssl, rc);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : handshake_failed(tls, err);
}

ptrdiff_t tls_read(struct tls *tls, char *p, size_t n, struct error *err)
{
    openssl.ERR_clear_error();
    int rc = openssl.SSL_read(tls->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
    if (rc > 0) {
        return rc;
    }
    switch (openssl.SSL_get_error(tls->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return error_set(err, ERR_CLOSED, "TLS: closed by the server");
    default:
        return fail(err, ERR_PROTOCOL, "broken by the server");
    }
}

int tls_write(struct tls *tls, struct str plain, struct error *err)
{
    openssl.ERR_clear_error();
    while (plain.len) {
        int n = plain.len > INT_MAX ? INT_MAX : (int)plain.len;
        int rc = openssl.SSL_write(tls->ssl, plain.p, n);
        if (rc <= 0) { /* never for want of room: the BIO grows */
            return fail(err, ERR_PROTOCOL, "cannot encrypt");
        }
        plain = str_slice(plain, (size_t)rc, plain.len);
    }
    return 0;
}

void tls_take(struct tls *tls, struct buf *out)
{
    size_t n = openssl.BIO_ctrl_pending(tls->to_net);
    char *at = n ? buf_reserve(out, n) : NULL;
    if (at) {
        int got = openssl.BIO_read(tls->to_net, at, (int)n);
        out->len += got > 0 ? (size_t)got : 0;
    }
}
