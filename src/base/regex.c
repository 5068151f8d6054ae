#include "src/base/regex.h"

#include "src/base/arena.h"
#include "src/base/codec.h"
#include "src/base/regex_syntax.h"

#include <pthread.h>
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    PATTERN_MAX_BYTES = 8192,
    SET_MAX_BYTES = 256 << 10, /* as much as a query's text; variables of many values are such */
    MATCH_LIMIT = 10000,
    GROUPS_MAX = 64,
    JIT_STACK_MIN = 32 << 10,
    JIT_STACK_MAX = 512 << 10
};

struct regex {
    struct arena arena;   /* texts of set and prefix */
    struct regex_set set; /* set.n > 0: decides alone */
    struct str prefix;
    enum regex_tail tail;
    pcre2_code *code;
};

/* What a match writes to: one a thread, so that a compiled regex can be shared. */
struct workspace {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    struct buf mended; /* subject with U+FFFD for invalid bytes */
};

static pthread_once_t workspace_once = PTHREAD_ONCE_INIT;
static pthread_key_t workspace_key;

static void workspace_free(void *p)
{
    struct workspace *w = p;
    pcre2_match_data_free(w->data);
    pcre2_match_context_free(w->context);
    pcre2_jit_stack_free(w->stack);
    buf_release(&w->mended);
    mem_free(w);
}

/* The key's destructor runs when a thread ends, but not for the main thread at exit. */
static void main_workspace_free(void)
{
    struct workspace *w = pthread_getspecific(workspace_key);
    if (w) {
        pthread_setspecific(workspace_key, NULL);
        workspace_free(w);
    }
}

static void workspace_key_create(void)
{
    pthread_key_create(&workspace_key, workspace_free);
    atexit(main_workspace_free);
}

static struct workspace *workspace_get(void)
{
    pthread_once(&workspace_once, workspace_key_create);
    struct workspace *w = pthread_getspecific(workspace_key);
    if (!w) {
        w = mem_zalloc(sizeof(*w));
        w->data = pcre2_match_data_create(GROUPS_MAX, NULL);
        w->context = pcre2_match_context_create(NULL);
        w->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
        pcre2_set_match_limit(w->context, MATCH_LIMIT);
        pcre2_jit_stack_assign(w->context, NULL, w->stack);
        buf_init(&w->mended, SIZE_MAX / 4);
        pthread_setspecific(workspace_key, w);
    }
    return w;
}

static int compile_error(int code, struct error *err)
{
    char text[160];
    pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text));
    return error_set(err, ERR_PARSE, "regular expression: %s", text);
}

static int compile_code(struct str pattern, pcre2_code **out, struct error *err)
{
    auto_buf text;
    buf_init(&text, (size_t)PATTERN_MAX_BYTES * 20); /* a rewritten escape is at most that much longer */
    int rc = regex_translate(pattern, &text, err);
    if (rc) {
        return rc;
    }
    int code = 0;
    PCRE2_SIZE at = 0;
    /* DOLLAR_ENDONLY: RE2's '$' is the very end; MATCH_UNSET_BACKREF and the like do not matter. */
    uint32_t flags = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C |
                     PCRE2_DOLLAR_ENDONLY | PCRE2_NO_UTF_CHECK;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)text.p, text.len, flags, &code, &at, NULL);
    if (!compiled) {
        return compile_error(code, err);
    }
    /* Without JIT (no executable memory) the interpreter takes over: slower, same answers. */
    (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
    *out = compiled;
    return 0;
}

static int compile_other(struct regex *regex, struct str pattern, struct error *err)
{
    if (pattern.len > PATTERN_MAX_BYTES) {
        return error_set(err, ERR_LIMIT, "regular expression: longer than %d bytes, and no list of plain texts",
                         PATTERN_MAX_BYTES);
    }
    regex->prefix = regex_prefix(pattern, &regex->arena, &regex->tail);
    return compile_code(pattern, &regex->code, err);
}

int regex_compile(struct str pattern, struct regex **out, struct error *err)
{
    struct regex *regex = mem_zalloc(sizeof(*regex));
    if (pattern.len > SET_MAX_BYTES || !regex_as_set(pattern, &regex->arena, &regex->set)) {
        int rc = compile_other(regex, pattern, err);
        if (rc) {
            regex_free(regex);
            return rc;
        }
    }
    *out = regex;
    return 0;
}

void regex_free(struct regex *regex)
{
    if (regex) {
        pcre2_code_free(regex->code);
        arena_release(&regex->arena);
        mem_free(regex);
    }
}

static bool set_holds(const struct regex_set *set, struct str subject)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = str_cmp(set->v[mid], subject);
        if (c == 0) {
            return true;
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}

/* Go reads invalid bytes as U+FFFD, one each. */
static struct str mend(struct workspace *w, struct str subject)
{
    buf_clear(&w->mended);
    for (size_t i = 0; i < subject.len;) {
        size_t n = utf8_char(str_slice(subject, i, subject.len));
        buf_add(&w->mended, n ? str_slice(subject, i, i + n) : STR("\xef\xbf\xbd"));
        i += n ? n : 1;
    }
    return buf_str(&w->mended);
}

/* The offset in `subject` that belongs to one in its mended form. */
static size_t unmend_offset(struct str subject, size_t mended_offset)
{
    size_t i = 0, at = 0;
    while (i < subject.len && at < mended_offset) {
        size_t n = utf8_char(str_slice(subject, i, subject.len));
        at += n ? n : 3;
        i += n ? n : 1;
    }
    return i;
}

/* pcre2_match()'s result; text is valid UTF-8. */
static int run(const struct regex *regex, struct workspace *w, struct str text)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)(text.p ? text.p : "");
    int rc = pcre2_match(regex->code, subject, text.len, 0, PCRE2_NO_UTF_CHECK, w->data, w->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) { /* the interpreter keeps its frames on the heap */
        rc = pcre2_match(regex->code, subject, text.len, 0, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, w->data, w->context);
    }
    return rc;
}

bool regex_matches(const struct regex *regex, struct str subject)
{
    if (regex->set.n) {
        return set_holds(&regex->set, subject);
    }
    if (!str_starts(subject, regex->prefix)) {
        return false;
    }
    if (regex->tail != REGEX_TAIL_OTHER) {
        return regex->tail == REGEX_TAIL_ANY || subject.len > regex->prefix.len;
    }
    struct workspace *w = workspace_get();
    return run(regex, w, utf8_valid(subject) ? subject : mend(w, subject)) >= 0;
}

size_t regex_literals(const struct regex *regex, const struct str **out)
{
    if (regex->set.n) {
        *out = regex->set.v;
    }
    return regex->set.n;
}

static size_t set_groups(const struct regex *regex, struct str subject, struct str *groups, size_t max)
{
    if (!set_holds(&regex->set, subject)) {
        return 0;
    }
    size_t n = regex->set.captures ? 2 : 1;
    n = n < max ? n : max;
    for (size_t i = 0; i < n; i++) {
        groups[i] = subject;
    }
    return n;
}

size_t regex_groups(const struct regex *regex, struct str subject, struct str *groups, size_t max)
{
    if (regex->set.n) {
        return set_groups(regex, subject, groups, max);
    }
    struct workspace *w = workspace_get();
    bool valid = utf8_valid(subject);
    if (run(regex, w, valid ? subject : mend(w, subject)) < 0) {
        return 0;
    }
    /* Trailing groups that took no part are not in the result's count, but belong to the answer. */
    uint32_t count = 0;
    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &count);
    size_t n = (size_t)count + 1 < GROUPS_MAX ? (size_t)count + 1 : GROUPS_MAX;
    n = n < max ? n : max;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(w->data);
    for (size_t i = 0; i < n; i++) {
        PCRE2_SIZE from = at[2 * i], to = at[2 * i + 1];
        if (from == PCRE2_UNSET) {
            groups[i] = (struct str){0};
        } else {
            groups[i] = valid ? str_slice(subject, from, to)
                              : str_slice(subject, unmend_offset(subject, from), unmend_offset(subject, to));
        }
    }
    return n;
}

int regex_group_index(const struct regex *regex, struct str name)
{
    char cname[64];
    if (!regex->code || name.len == 0 || name.len >= sizeof(cname)) {
        return -1;
    }
    snprintf(cname, sizeof(cname), STR_FMT, STR_ARG(name));
    int index = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)cname);
    return index > 0 ? index : -1;
}
