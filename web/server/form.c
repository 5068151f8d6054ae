#include "web/server/form.h"

void form_release(struct form *form)
{
    vec_release(&form->pairs);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool form_decode(struct str text, bool plus_is_space, struct arena *arena, struct str *out)
{
    if (str_find_char(text, '%') < 0 && (!plus_is_space || str_find_char(text, '+') < 0)) {
        *out = text.p ? text : STR(""); /* present but empty is not absent */
        return true;
    }
    char *to = arena_alloc(arena, text.len);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.p[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        to[n++] = c;
    }
    *out = str_make(to, n);
    return true;
}

static int parse_pair(struct str piece, struct arena *arena, struct form *form, struct error *err)
{
    if (str_find_char(piece, ';') >= 0) {
        return error_set(err, ERR_PARSE, "invalid semicolon separator in form data: separate parameters by '&'");
    }
    struct form_pair pair;
    struct str rest = piece;
    struct str name = str_split(&rest, '=');
    if (!form_decode(name, true, arena, &pair.name) || !form_decode(rest, true, arena, &pair.value)) {
        return error_set(err, ERR_PARSE, "invalid URL escape in parameter '%.*s'", (int)(name.len < 64 ? name.len : 64),
                         name.p ? name.p : "");
    }
    if (form->pairs.len >= FORM_PAIRS_MAX) {
        return error_set(err, ERR_LIMIT, "more than %d parameters", FORM_PAIRS_MAX);
    }
    vec_push(&form->pairs, pair);
    return 0;
}

int form_parse(struct str text, struct arena *arena, struct form *form, struct error *err)
{
    while (text.len > 0) {
        struct str piece = str_split(&text, '&');
        if (piece.len == 0) {
            continue;
        }
        int rc = parse_pair(piece, arena, form, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

struct str form_get(const struct form *form, struct str name)
{
    for (size_t i = 0; i < form->pairs.len; i++) {
        if (str_eq(form->pairs.p[i].name, name)) {
            return form->pairs.p[i].value;
        }
    }
    return (struct str){0};
}
