/*
 * Input: pattern, line feed, subject. Properties: fast paths (literal set, prefix) say the same as the pattern wrapped
 * so that they do not apply; groups lie within the subject, the first is all of it.
 */
#include "src/base/mem.h"
#include "src/base/regex.h"
#include "src/base/thread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct regex *compile(struct str pattern)
{
    struct regex *regex = NULL;
    struct error err = {0};
    int rc = regex_compile(pattern, &regex, &err);
    invariant(rc == 0 ? regex != NULL : err.text[0] != '\0');
    return regex;
}

static void check_groups(const struct regex *regex, struct str subject, bool matched)
{
    struct str groups[8];
    size_t n = regex_groups(regex, subject, groups, 8);
    invariant((n > 0) == matched);
    invariant(n == 0 || str_eq(groups[0], subject));
    for (size_t i = 0; i < n; i++) {
        bool within = groups[i].p >= subject.p && groups[i].p + groups[i].len <= subject.p + subject.len;
        invariant(groups[i].len == 0 || within);
    }
}

/* "(?:(?:p))" is no set, since only one pair of parentheses is looked through, and has no prefix. */
static void check_slow_path(struct str pattern, struct str subject, bool matched)
{
    char *text = mem_alloc(pattern.len + 16);
    memcpy(text, "(?:(?:", 6);
    memcpy(text + 6, pattern.p ? pattern.p : "", pattern.len);
    memcpy(text + 6 + pattern.len, "\\E))", 4);
    /* A pattern that ends within \Q needs its \E; others would not know one. */
    struct regex *slow = NULL;
    if (regex_compile(str_make(text, pattern.len + 10), &slow, NULL) != 0) {
        memcpy(text + 6 + pattern.len, "))", 2);
        slow = NULL;
        if (regex_compile(str_make(text, pattern.len + 8), &slow, NULL) != 0) {
            slow = NULL;
        }
    }
    if (slow) {
        /* The match limit may be met on one path and not on the other: then the slow one says no. */
        invariant(regex_matches(slow, subject) <= matched);
    }
    regex_free(slow);
    mem_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_make((const char *)data, size), pattern = str_split(&rest, '\n');
    if (pattern.len > 500 || rest.len > 2000) {
        return 0;
    }
    struct regex *regex = compile(pattern);
    if (!regex) {
        return 0;
    }
    bool matched = regex_matches(regex, rest);
    check_groups(regex, rest, matched);
    check_slow_path(pattern, rest, matched);
    const struct str *texts;
    size_t n = regex_literals(regex, &texts);
    for (size_t i = 0; i < n; i++) {
        invariant(regex_matches(regex, texts[i]));
    }
    regex_free(regex);
    return 0;
}
