#include "src/base/buf.h"
#include "src/loop/loop.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

enum { ADDRS_MAX = 16 };

struct lookup {
    loop_resolved_fn fn;
    void *ctx;
    char *host;
    int port;
    struct sockaddr_storage addrs[ADDRS_MAX];
    size_t n;
    struct error err;
};

static bool parse_literal(struct lookup *lookup)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&lookup->addrs[0];
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&lookup->addrs[0];
    if (inet_pton(AF_INET, lookup->host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)lookup->port);
    } else if (inet_pton(AF_INET6, lookup->host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)lookup->port);
    } else {
        return false;
    }
    lookup->n = 1;
    return true;
}

/* On a worker thread: the resolver may wait for a name server for a long time. */
static void run_lookup(void *ctx)
{
    struct lookup *lookup = ctx;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char port[16];
    snprintf(port, sizeof(port), "%d", lookup->port);
    int rc = getaddrinfo(lookup->host, port, &hints, &list);
    if (rc) {
        error_set(&lookup->err, ERR_NOT_FOUND, "cannot resolve the host name '%s': %s", lookup->host, gai_strerror(rc));
        return;
    }
    for (struct addrinfo *it = list; it && lookup->n < ADDRS_MAX; it = it->ai_next) {
        if (it->ai_addrlen <= sizeof(lookup->addrs[0])) {
            memcpy(&lookup->addrs[lookup->n++], it->ai_addr, it->ai_addrlen);
        }
    }
    freeaddrinfo(list);
    if (lookup->n == 0) {
        error_set(&lookup->err, ERR_NOT_FOUND, "the host name '%s' has no address", lookup->host);
    }
}

static void finish_lookup(void *ctx)
{
    loop_assert();
    struct lookup *lookup = ctx;
    lookup->fn(lookup->ctx, lookup->addrs, lookup->n, &lookup->err);
    mem_free(lookup->host);
    mem_free(lookup);
}

void loop_resolve(struct loop *loop, struct str host, int port, loop_resolved_fn fn, void *ctx)
{
    struct lookup *lookup = mem_zalloc(sizeof(*lookup));
    lookup->fn = fn;
    lookup->ctx = ctx;
    lookup->host = mem_str_dup(host);
    lookup->port = port;
    if (parse_literal(lookup)) {
        loop_post(loop, finish_lookup, lookup);
    } else if (loop_work(loop, LANE_DNS, run_lookup, finish_lookup, lookup) != 0) {
        error_set(&lookup->err, ERR_FULL, "too many host names wait to be resolved");
        loop_post(loop, finish_lookup, lookup);
    }
}
