#include "web/server/guard.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <strings.h>

static bool same(struct str a, const char *name)
{
    return a.len == strlen(name) && strncasecmp(a.p, name, a.len) == 0;
}

static int refuse(struct error *err, int status, const char *text)
{
    error_set(err, ERR_PROTOCOL, "%s", text);
    return status;
}

static bool is_token(struct str s)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!alnum && !memchr(others, c, sizeof(others) - 1)) {
            return false;
        }
    }
    return s.len > 0;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 32 && c != '\t') || c == 127) {
            return true;
        }
    }
    return false;
}

static bool is_decimal(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
    }
    return s.len > 0 && s.len <= 18;
}

struct str guard_host_name(struct str text)
{
    ptrdiff_t scheme = str_find(text, STR("://"));
    if (scheme >= 0) {
        text = str_slice(text, (size_t)scheme + 3, text.len);
        text = str_split(&text, '/');
    }
    if (text.len && text.p[0] == '[') {
        ptrdiff_t end = str_find_char(text, ']');
        return end < 0 ? text : str_slice(text, 1, (size_t)end);
    }
    ptrdiff_t colon = str_find_char(text, ':');
    return colon < 0 ? text : str_slice(text, 0, (size_t)colon);
}

static bool is_address(struct str host)
{
    char text[64];
    unsigned char bytes[16];
    if (host.len == 0 || host.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host.p, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

bool guard_host_allowed(const struct guard *guard, struct str host_header)
{
    struct str host = guard_host_name(host_header);
    if (!guard->local_only || is_address(host) || same(host, "localhost")) {
        return true;
    }
    return guard->external_host.len > 0 && host.len == guard->external_host.len &&
           strncasecmp(host.p, guard->external_host.p, host.len) == 0;
}

static bool host_legal(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (strchr(" \t/\\@,?#\"<>", host.p[i])) {
            return false;
        }
    }
    return host.len > 0;
}

/*
 * civetweb stops at a line that begins with white space (a folded one) and never shows what follows: a Content-Length
 * there would make the body the next request. It cuts lines in place, so that behind the value of the last header,
 * ended by NUL for CR and for LF, the empty line must come.
 */
static bool ends_properly(const struct mg_request_info *info)
{
    if (info->num_headers == 0) {
        return true; /* refused for its missing Host */
    }
    const char *p = info->http_headers[info->num_headers - 1].value;
    p += strlen(p) + 1;
    p += *p == '\0';
    return *p == '\r' || *p == '\n';
}

struct seen {
    int host, length, encoding;
    struct str host_value, length_value;
    bool expect_other;
};

static int look_at_headers(const struct mg_request_info *info, struct seen *seen, struct error *err)
{
    for (int i = 0; i < info->num_headers; i++) {
        struct str name = str_of(info->http_headers[i].name);
        struct str value = str_trim(str_of(info->http_headers[i].value));
        if (!is_token(name) || has_control(value)) {
            return refuse(err, 400, "a header line holds a character that is not allowed there");
        }
        if (same(name, "Host")) {
            seen->host++;
            seen->host_value = value;
        } else if (same(name, "Content-Length")) {
            seen->length++;
            seen->length_value = value;
        } else if (same(name, "Transfer-Encoding")) {
            seen->encoding++;
        } else if (same(name, "Expect")) {
            seen->expect_other |= !same(value, "100-continue");
        }
    }
    return 0;
}

static int check_framing(const struct mg_request_info *info, const struct seen *seen, struct error *err)
{
    if (seen->length > 1) {
        return refuse(err, 400, "Content-Length is given more than once");
    }
    if (seen->length && seen->encoding) {
        return refuse(err, 400, "both Content-Length and Transfer-Encoding are given");
    }
    if (seen->length && !is_decimal(seen->length_value)) {
        return refuse(err, 400, "Content-Length is not a number");
    }
    if (seen->encoding > 1 || (seen->encoding && strcmp(info->http_version, "1.1") != 0)) {
        return refuse(err, 400, "Transfer-Encoding is given twice, or in a request older than HTTP/1.1");
    }
    return seen->expect_other ? refuse(err, 417, "only 'Expect: 100-continue' is understood") : 0;
}

int guard_check(const struct guard *guard, const struct mg_request_info *info, struct error *err)
{
    struct seen seen = {0};
    if (info->num_headers >= MG_MAX_HEADERS) { /* civetweb drops what comes after, unread */
        return refuse(err, 431, "more than 63 header lines");
    }
    if (!ends_properly(info)) {
        return refuse(err, 400, "a header line is folded or has no name");
    }
    struct str uri = str_of(info->request_uri);
    if (uri.len == 0 || uri.p[0] != '/' || has_control(uri)) {
        return refuse(err, 400, "the request target must be a path that begins with '/'");
    }
    int status = look_at_headers(info, &seen, err);
    if (status == 0) {
        status = check_framing(info, &seen, err);
    }
    if (status) {
        return status;
    }
    if (seen.host != 1 || !host_legal(seen.host_value)) {
        return refuse(err, 400, "exactly one valid Host header is required");
    }
    if (!guard_host_allowed(guard, seen.host_value)) {
        struct str host = guard_host_name(seen.host_value);
        error_set(err, ERR_AUTH,
                  "the name '%.*s' is not served: ask for localhost or an IP address, or set external_url in the "
                  "configuration to the name you use (this keeps foreign pages from reading your data)",
                  (int)(host.len < 64 ? host.len : 64), host.p);
        return 403;
    }
    return 0;
}
