#include "src/base/url.h"

#include "src/base/buf.h"

enum { URL_MAX_BYTES = 8192 };

/* The parts as they stand in the text, nothing decoded. p == NULL: the part is absent. */
struct parts {
    struct str scheme, user, password, host, port, path, query;
    bool bracketed; /* host stood in [ ] */
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A '%' without two hex digits stands for itself, as in Python's unquote(). */
struct str url_decode(struct str s, bool plus_is_space, struct arena *arena)
{
    char *out = arena_alloc(arena, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == '%' && i + 2 < s.len && hex_value(s.p[i + 1]) >= 0 && hex_value(s.p[i + 2]) >= 0) {
            c = (char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return str_make(out, n);
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

struct str url_encode(struct str s, struct arena *arena)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, s.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (is_unreserved((char)c)) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    out[n] = '\0';
    return str_make(out, n);
}

static bool scheme_legal(struct str scheme)
{
    for (size_t i = 0; i < scheme.len; i++) {
        char c = scheme.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && !(other && i > 0)) {
            return false;
        }
    }
    return scheme.len > 0;
}

/* Takes the front of *rest up to the first byte of `stops`. */
static struct str take_until(struct str *rest, const char *stops)
{
    size_t n = 0;
    while (n < rest->len && (rest->p[n] == '\0' || !strchr(stops, rest->p[n]))) {
        n++;
    }
    struct str part = str_slice(*rest, 0, n);
    *rest = str_slice(*rest, n, rest->len);
    return part;
}

static void split_user(struct str *authority, struct parts *out)
{
    size_t at = authority->len; /* the last '@': people leave those of a password unescaped */
    while (at > 0 && authority->p[at - 1] != '@') {
        at--;
    }
    if (at == 0) {
        return;
    }
    struct str userinfo = str_slice(*authority, 0, at - 1);
    *authority = str_slice(*authority, at, authority->len);
    ptrdiff_t colon = str_find_char(userinfo, ':');
    out->user = colon < 0 ? userinfo : str_slice(userinfo, 0, (size_t)colon);
    if (colon >= 0) {
        out->password = str_slice(userinfo, (size_t)colon + 1, userinfo.len);
    }
}

static int split_host(struct str authority, struct parts *out, struct error *err)
{
    if (authority.len && authority.p[0] == '[') {
        ptrdiff_t end = str_find_char(authority, ']');
        if (end < 0) {
            return error_set(err, ERR_PARSE, "the URL's IPv6 address lacks its closing ']'");
        }
        out->host = str_slice(authority, 1, (size_t)end);
        out->bracketed = true;
        authority = str_slice(authority, (size_t)end + 1, authority.len);
        if (authority.len && authority.p[0] != ':') {
            return error_set(err, ERR_PARSE, "the URL has text between ']' and the port");
        }
    } else {
        out->host = take_until(&authority, ":");
    }
    if (authority.len) {
        out->port = str_slice(authority, 1, authority.len);
    }
    return 0;
}

static int split(struct str text, struct parts *out, struct error *err)
{
    *out = (struct parts){0};
    if (text.len > URL_MAX_BYTES) {
        return error_set(err, ERR_LIMIT, "the URL is longer than %d bytes", URL_MAX_BYTES);
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f) {
            return error_set(err, ERR_PARSE, "the URL holds a space or control character: write it as %%XX");
        }
    }
    ptrdiff_t scheme_end = str_find(text, STR("://"));
    if (scheme_end < 0 || !scheme_legal(str_slice(text, 0, (size_t)scheme_end))) {
        return error_set(err, ERR_PARSE, "a URL must begin with its scheme, as in redis://host:6379/0");
    }
    out->scheme = str_slice(text, 0, (size_t)scheme_end);
    struct str rest = str_slice(text, (size_t)scheme_end + 3, text.len);
    struct str authority = take_until(&rest, "/?#");
    out->path = take_until(&rest, "?#");
    if (rest.len && rest.p[0] == '?') {
        rest = str_slice(rest, 1, rest.len);
        out->query = take_until(&rest, "#");
    }
    split_user(&authority, out);
    return split_host(authority, out, err);
}

static struct str lower_copy(struct str s, struct arena *arena)
{
    char *copy = arena_cstr(arena, s);
    for (size_t i = 0; i < s.len; i++) {
        if (copy[i] >= 'A' && copy[i] <= 'Z') {
            copy[i] = (char)(copy[i] + ('a' - 'A'));
        }
    }
    return str_make(copy, s.len);
}

static bool holds_nul(struct str s)
{
    return str_find_char(s, '\0') >= 0;
}

int url_parse(struct str text, struct arena *arena, struct url *out, struct error *err)
{
    struct parts parts;
    int rc = split(text, &parts, err);
    if (rc) {
        return rc;
    }
    /* The port's text is not quoted: it may be the rest of a password with a bare '/'. */
    int64_t port = 0;
    if (parts.port.len && (!str_to_int64(parts.port, &port) || port < 1 || port > 65535)) {
        return error_set(err, ERR_PARSE,
                         "the URL's port is not a number from 1 to 65535 (a '/', '?' or '#' within the password must "
                         "be written %%2F, %%3F, %%23)");
    }
    struct url url = {
        .scheme = lower_copy(parts.scheme, arena),
        .user = url_decode(parts.user, false, arena),
        .password = url_decode(parts.password, false, arena),
        .host = url_decode(parts.host, false, arena),
        .port = (int)port,
        .path = url_decode(parts.path, false, arena),
        .query = arena_dup(arena, parts.query),
    };
    if (holds_nul(url.user) || holds_nul(url.password) || holds_nul(url.host) || holds_nul(url.path)) {
        return error_set(err, ERR_PARSE, "the URL holds a NUL byte (%%00)");
    }
    *out = url;
    return 0;
}

struct str url_query_get(const struct url *url, struct str name, struct arena *arena)
{
    struct str rest = url->query;
    while (rest.len) {
        struct str value = str_split(&rest, '&');
        struct str key = str_split(&value, '=');
        if (str_eq(url_decode(key, true, arena), name)) {
            return url_decode(value, true, arena);
        }
    }
    return (struct str){0};
}

static bool is_secret_name(struct str name)
{
    static const char *const marks[] = {"pass", "pwd", "secret", "token", "key", "auth", "cred", "sig"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (str_find_nocase(name, str_of(marks[i])) >= 0) {
            return true;
        }
    }
    return false;
}

static void add_query_redacted(struct buf *out, struct str query, struct arena *arena)
{
    while (query.len) {
        struct str value = str_split(&query, '&');
        struct str pair = value, key = str_split(&value, '=');
        if (is_secret_name(url_decode(key, true, arena))) {
            buf_add(out, key);
            buf_add(out, STR("=***"));
        } else {
            buf_add(out, pair);
        }
        if (query.len) {
            buf_add_char(out, '&');
        }
    }
}

struct str url_redact(struct str text, struct arena *arena)
{
    struct parts parts;
    int64_t port;
    if (split(text, &parts, NULL) || (parts.port.len && !str_to_int64(parts.port, &port))) {
        return STR("***");
    }
    auto_buf out;
    buf_init(&out, (size_t)URL_MAX_BYTES * 2);
    buf_add(&out, parts.scheme);
    buf_add(&out, STR("://"));
    if (parts.user.len || parts.password.len) {
        buf_add(&out, parts.password.len ? STR("***:***@") : STR("***@"));
    }
    buf_addf(&out, parts.bracketed ? "[" STR_FMT "]" : STR_FMT, STR_ARG(parts.host));
    if (parts.port.len) {
        buf_addf(&out, ":" STR_FMT, STR_ARG(parts.port));
    }
    buf_add(&out, parts.path);
    if (parts.query.p) {
        buf_add_char(&out, '?');
        add_query_redacted(&out, parts.query, arena);
    }
    return arena_dup(arena, buf_str(&out));
}
