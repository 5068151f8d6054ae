/* A client that sends bytes as they are and reads what comes, for tests of the server. */
#pragma once
#include "src/base/arena.h"
#include "src/base/buf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int raw_connect(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 30}; /* a hang fails, not blocks */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static inline void raw_send(int fd, struct str bytes)
{
    (void)!send(fd, bytes.p, bytes.len, MSG_NOSIGNAL);
}

/* Reads until the text is in what has been read (NULL: until the end). True if it came. */
static inline bool raw_read_until(int fd, struct buf *in, const char *text)
{
    char piece[65536];
    for (;;) {
        if (text && str_find(buf_str(in), str_of(text)) >= 0) {
            return true;
        }
        ssize_t n = recv(fd, piece, sizeof(piece), 0);
        if (n <= 0) {
            return !text && n == 0;
        }
        buf_add_bytes(in, piece, (size_t)n);
    }
}

/* One request on a connection of its own; the answer until the server closes: send "Connection: close". */
static inline struct str raw_ask(struct arena *arena, int port, struct str request)
{
    int fd = raw_connect(port);
    raw_send(fd, request);
    auto_buf in;
    buf_init(&in, 64u << 20);
    (void)raw_read_until(fd, &in, NULL);
    close(fd);
    return arena_dup(arena, buf_str(&in));
}

static inline struct str raw_get(struct arena *arena, int port, const char *path, const char *headers)
{
    return raw_ask(arena, port,
                   arena_printf(arena, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", path,
                                headers ? headers : ""));
}

static inline int raw_status(struct str answer)
{
    return answer.len > 12 && memcmp(answer.p, "HTTP/1.1 ", 9) == 0
               ? (answer.p[9] - '0') * 100 + (answer.p[10] - '0') * 10 + (answer.p[11] - '0')
               : 0;
}

static inline bool raw_has(struct str answer, const char *text)
{
    return str_find(answer, str_of(text)) >= 0;
}

static inline struct str raw_body(struct str answer)
{
    ptrdiff_t at = str_find(answer, STR("\r\n\r\n"));
    return at < 0 ? (struct str){0} : str_slice(answer, (size_t)at + 4, answer.len);
}
