/*
 * regex.c - the kind "regex": PCRE2, compiled once for all threads
 *
 * The cost of a document has three bounds.  PCRE2 counts its steps of backtracking (the same on
 * every machine, but not the same with and without its JIT).  Its stack and heap have a limit.  And
 * since PCRE2 does not count the characters that one repeat runs through ('a\w+\W' on a million
 * letters runs through 2*10^10), the thread's CPU clock is checked from time to time.
 */
#include "miners/core/kinds.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "corpora/base/jsonw.h"
#include "corpora/base/mem.h"

#define COMPILE_OPTIONS (PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C)

#define SECONDS_MAX 5.0                 // CPU time of the thread per document
#define STEPS_MAX ((uint64_t)1 << 20)   // about 5 ms; a long text has fewer steps ...
#define STEPS_BYTES ((uint64_t)1 << 36) // ... so that steps * bytes is at most this
#define STEPS_PREFIX_MAX (1 << 16)      // per token with 'prefix'
#define HEAP_KIB_MAX (64 << 10)         // without JIT
#define STACK_MIN_BYTES (64 << 10)      // with JIT; mapped, and grows as needed
#define STACK_MAX_BYTES (8 << 20)
#define BLOCK_BYTES ((size_t)1 << 28) // starts * bytes between two checks of the clock
#define BLOCK_TOKENS 64               // tokens between two checks
#define GROUP_MAX 255                 // the highest number of a group in 'mark'
#define WORTHWHILE 16                 // fewest live bytes for which the search for dead starts pays

struct regex {
    pcre2_code *code;
    pcre2_code *live; // for partial matches with prefix, see struct back; or NULL
    enum miner_mark mark;
    uint32_t group; // the group whose bytes are labelled; 0: the whole match
    bool prefix;
    bool anchored;   // a pattern that does not match where the search begins matches nowhere
    bool has_begins; // a match can only begin with a byte b of which begins[b] is set
    uint8_t begins[256];
};

/* The working memory of one thread. */
struct ctx {
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static void ctx_free(void *ctx)
{
    struct ctx *r = ctx;
    if (r) {
        pcre2_match_data_free(r->match);
        pcre2_match_context_free(r->context);
        pcre2_jit_stack_free(r->stack);
        free(r);
    }
}

static int ctx_new(void **ctx, const void *self, struct err *err)
{
    (void)self;
    struct ctx *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "a pattern's memory");
    }
    r->match = pcre2_match_data_create(GROUP_MAX + 1, NULL);
    r->context = pcre2_match_context_create(NULL);
    r->stack = pcre2_jit_stack_create(STACK_MIN_BYTES, STACK_MAX_BYTES, NULL);
    if (!r->match || !r->context || !r->stack) {
        ctx_free(r);
        return err_nomem(err, "a pattern's memory");
    }
    pcre2_jit_stack_assign(r->context, NULL, r->stack);
    pcre2_set_heap_limit(r->context, HEAP_KIB_MAX);
    *ctx = r;
    return 0;
}

/* The CPU time of this thread in seconds. */
static double thread_seconds(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Handles an error of PCRE2 other than "no match". */
static int failed(int code, enum miner_verdict *verdict, struct err *err)
{
    if (code == PCRE2_ERROR_NOMEMORY) {
        return err_nomem(err, "a match");
    }
    *verdict = MINER_GAVE_UP;
    return 0;
}

// --- whole documents ---------------------------------------------------------------------------

static int label_matches(const struct regex *x, struct ctx *r, const struct tokens *doc,
                         uint8_t *labels, enum miner_verdict *verdict, struct err *err)
{
    const size_t len = doc->text_len;
    const PCRE2_SPTR text = (PCRE2_SPTR)doc->text;
    const size_t *spans = pcre2_get_ovector_pointer(r->match);
    const size_t block = BLOCK_BYTES / (len + 1) + 1;
    const uint64_t steps = STEPS_BYTES / (len + 1) + 1;
    pcre2_set_match_limit(r->context, (uint32_t)(steps < STEPS_MAX ? steps : STEPS_MAX));
    const double stop = len > block ? thread_seconds() + SECONDS_MAX : 0;
    for (size_t from = 0, look = block, at = 0; from < len;) {
        if (from >= look) {
            if (thread_seconds() > stop) {
                *verdict = MINER_GAVE_UP;
                return 0;
            }
            look = from + block;
        }
        // In a long text the search goes only as far as the next check of the clock
        pcre2_set_offset_limit(r->context, look < len ? look : PCRE2_UNSET);
        const int n = pcre2_match(x->code, text, len, from, PCRE2_NOTEMPTY | PCRE2_NO_UTF_CHECK,
                                  r->match, r->context);
        if (n == PCRE2_ERROR_NOMATCH) {
            if (x->anchored) {
                return 0;
            }
            from = look;
            while (from < len && (text[from] & 0xc0) == 0x80) {
                from++;
            }
            continue;
        }
        if (n < 0) {
            return failed(n, verdict, err);
        }
        const size_t *span = spans + 2 * x->group;
        if (span[0] != PCRE2_UNSET) {
            miner_mark(labels, doc, &at, span[0], span[1], x->mark);
        }
        from = spans[1];
    }
    return 0;
}

// --- the text before a token's end ------------------------------------------------------------

/*
 * A token is labelled if the pattern matches from one of the last REGEX_WINDOW bytes so that the
 * match ends at the token's end: x->code is compiled for that (PCRE2_ENDANCHORED).  Trying each of
 * these bytes for each token is slow and mostly not needed: an attempt that fails without reaching
 * the end of the text fails in every longer text too.
 * A partial match (PCRE2_PARTIAL_HARD) says where the first attempt began that did reach the end;
 * every start before it is dead for good.  PCRE2 has no partial matches with PCRE2_ENDANCHORED, so
 * x->live is "(?:pattern)\z"; a pattern that cannot be wrapped in this way, for example one with a
 * leading (*VERB), is tried from the whole window each time.
 */
struct back {
    const struct regex *x;
    struct ctx *r;
    PCRE2_SPTR text;
    size_t alive; // no match that begins before it can end at this token or a later one
};

/* Whether no match can begin in text[b->alive, end). */
static bool none_begins(const struct back *b, size_t end)
{
    size_t i = b->alive;
    while (i < end && !b->x->begins[b->text[i]]) {
        i++;
    }
    return i >= end;
}

/* Returns 1 if a match ends at text[end], 0 if none does, or else PCRE2's error. */
static int ends_here(struct back *b, size_t end)
{
    const uint32_t options = PCRE2_NOTEMPTY | PCRE2_NO_UTF_CHECK;
    if (end > REGEX_WINDOW && b->alive < end - REGEX_WINDOW) {
        b->alive = end - REGEX_WINDOW;
        while ((b->text[b->alive] & 0xc0) == 0x80) {
            b->alive++;
        }
    }
    if (b->x->has_begins && none_begins(b, end)) {
        b->alive = end;
        return 0;
    }
    int n = pcre2_match(b->x->code, b->text, end, b->alive, options, b->r->match, b->r->context);
    if (n != PCRE2_ERROR_NOMATCH || !b->x->live || end - b->alive < WORTHWHILE) {
        return n >= 0 ? 1 : n == PCRE2_ERROR_NOMATCH ? 0 : n;
    }
    n = pcre2_match(b->x->live, b->text, end, b->alive, options | PCRE2_PARTIAL_HARD, b->r->match,
                    b->r->context);
    if (n == PCRE2_ERROR_NOMATCH) {
        b->alive = end;
    } else if (n == PCRE2_ERROR_PARTIAL) {
        b->alive = pcre2_get_ovector_pointer(b->r->match)[0];
    }
    return 0; // another error does not say which starts are dead
}

static int label_prefixes(const struct regex *x, struct ctx *r, const struct tokens *doc,
                          uint8_t *labels, enum miner_verdict *verdict, struct err *err)
{
    struct back b = {.x = x, .r = r, .text = (PCRE2_SPTR)doc->text};
    const double stop = thread_seconds() + SECONDS_MAX;
    pcre2_set_match_limit(r->context, STEPS_PREFIX_MAX);
    pcre2_set_offset_limit(r->context, PCRE2_UNSET);
    for (size_t i = 0, last = 0; i < doc->n; i++) {
        size_t end = doc->ends[i];
        while (end < doc->text_len && end > last && (b.text[end] & 0xc0) == 0x80) {
            end--; // the token cuts a character
        }
        if (end == last) {
            continue; // no character ends in it
        }
        last = end;
        const int n = ends_here(&b, end);
        if (n < 0) {
            return failed(n, verdict, err);
        }
        labels[i] = (uint8_t)n;
        if (i % BLOCK_TOKENS == 0 && thread_seconds() > stop) {
            *verdict = MINER_GAVE_UP;
            return 0;
        }
    }
    return 0;
}

static int label(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                 enum miner_verdict *verdict, struct err *err)
{
    const struct regex *x = self;
    *verdict = MINER_DONE;
    return x->prefix ? label_prefixes(x, ctx, doc, labels, verdict, err)
                     : label_matches(x, ctx, doc, labels, verdict, err);
}

static void regex_free(void *self)
{
    struct regex *x = self;
    if (x) {
        pcre2_code_free(x->code);
        pcre2_code_free(x->live);
        free(x);
    }
}

static const struct miner_kind kind = {
    .name = "regex",
    .needs_text = true,
    .shares_ctx = true,
    .ctx_new = ctx_new,
    .ctx_free = ctx_free,
    .label = label,
    .free = regex_free,
};

// --- compiling ---------------------------------------------------------------------------------

/* Whether the pattern has '\G', or, with 'verb', that verb after "(*".  Quoted text counts too. */
static bool holds(const struct regex_options *o, const char *verb)
{
    for (size_t i = 0; i + 1 < o->len; i++) {
        const char *at = o->pattern + i;
        const size_t left = o->len - i - 2;
        if (!verb && at[0] == '\\' && at[1] == 'G') {
            return true;
        }
        if (verb && at[0] == '(' && at[1] == '*' && left >= strlen(verb) &&
            memcmp(at + 2, verb, strlen(verb)) == 0) {
            return true;
        }
        i += at[0] == '\\';
    }
    return false;
}

static int compile_error(const struct regex_options *o, int code, size_t at, struct err *err)
{
    PCRE2_UCHAR what[256];
    size_t n_chars = 0;
    if (pcre2_get_error_message(code, what, sizeof what) < 0) {
        memcpy(what, "no pattern", sizeof "no pattern");
    }
    at = at < o->len ? at : o->len;
    for (size_t i = 0; i < at; i++) {
        n_chars += ((unsigned char)o->pattern[i] & 0xc0) != 0x80;
    }
    if (at == o->len) {
        return err_set(err, ERR_FORMAT, "%s, at the end of the pattern", (const char *)what);
    }
    return err_set(err, ERR_FORMAT, "%s, at character %zu of the pattern, before %.*s",
                   (const char *)what, n_chars + 1, (int)(o->len - at < 40 ? o->len - at : 40),
                   o->pattern + at);
}

/* Makes x->live, or leaves it NULL. */
static int compile_live(struct regex *x, const struct regex_options *o, struct err *err)
{
    // If the first does not compile, the pattern may end in a comment: then the second does
    static const char before[] = "(?:", *const behind[] = {")\\z", "\n)\\z"};
    int code, rc = 0;
    size_t at;
    for (size_t i = 0; i < 2 && !x->live && !rc; i++) {
        struct buf text = {0};
        rc = buf_append(&text, before, sizeof before - 1, err);
        rc = rc ? rc : buf_append(&text, o->pattern, o->len, err);
        rc = rc ? rc : buf_append(&text, behind[i], strlen(behind[i]), err);
        if (!rc) {
            x->live =
                pcre2_compile((PCRE2_SPTR)text.data, text.len, COMPILE_OPTIONS, &code, &at, NULL);
        }
        buf_free(&text);
    }
    if (x->live) {
        pcre2_jit_compile(x->live, PCRE2_JIT_PARTIAL_HARD);
    }
    return rc;
}

/* Refuses patterns that PCRE2 accepts and we do not. */
static int check_supported(const struct regex_options *o, struct err *err)
{
    static const char *const not_with_prefix[] = {"ACCEPT", "COMMIT", "SKIP"};
    if (o->len == 0) {
        return err_set(err, ERR_FORMAT, "the pattern is empty, and a match never is");
    }
    if (holds(o, NULL)) {
        return err_set(err, ERR_FORMAT, "\\G is not supported: no match knows of an earlier one");
    }
    for (size_t i = 0; o->prefix && i < sizeof not_with_prefix / sizeof *not_with_prefix; i++) {
        if (holds(o, not_with_prefix[i])) {
            return err_set(err, ERR_FORMAT, "(*%s) is not supported with prefix",
                           not_with_prefix[i]);
        }
    }
    return 0;
}

static int compile(struct regex *x, const struct regex_options *o, struct err *err)
{
    int code;
    size_t at;
    const int rc = check_supported(o, err);
    if (rc) {
        return rc;
    }
    const uint32_t mode = o->prefix ? PCRE2_ENDANCHORED : PCRE2_USE_OFFSET_LIMIT;
    x->code =
        pcre2_compile((PCRE2_SPTR)o->pattern, o->len, COMPILE_OPTIONS | mode, &code, &at, NULL);
    if (!x->code) {
        return code == PCRE2_ERROR_HEAP_FAILED ? err_nomem(err, "a pattern")
                                               : compile_error(o, code, at, err);
    }
    uint32_t options = 0;
    pcre2_pattern_info(x->code, PCRE2_INFO_ALLOPTIONS, &options);
    x->anchored = (options & PCRE2_ANCHORED) != 0;
    // If the machine has no JIT, or allows none, pcre2_match() works without it
    pcre2_jit_compile(x->code, PCRE2_JIT_COMPLETE);
    return o->prefix ? compile_live(x, o, err) : 0;
}

/* Finds the bytes with which a match can begin, as far as PCRE2 knows them. */
static void find_begins(struct regex *x)
{
    const uint8_t *map = NULL;
    uint32_t type = 0, unit = 0;
    pcre2_pattern_info(x->code, PCRE2_INFO_FIRSTBITMAP, &map);
    pcre2_pattern_info(x->code, PCRE2_INFO_FIRSTCODETYPE, &type);
    pcre2_pattern_info(x->code, PCRE2_INFO_FIRSTCODEUNIT, &unit);
    if (map) {
        for (int c = 0; c < 256; c++) {
            x->begins[c] = map[c / 8] >> (c % 8) & 1;
        }
        x->has_begins = true;
    } else if (type == 1 && unit < 0x80 && !strchr("kKsS", (int)unit)) {
        // PCRE2 does not say whether case is ignored, so take both cases of an ASCII letter.  Only
        // k and s have other forms beyond ASCII (Kelvin's sign and the long s)
        const bool letter = (unit | 0x20) >= 'a' && (unit | 0x20) <= 'z';
        x->begins[unit] = 1;
        x->begins[letter ? unit ^ 0x20 : unit] = 1;
        x->has_begins = true;
    }
}

/* Sets an error like "mark 'x': no such group; there are: year, month". */
static int no_group(const struct regex *x, const char *mark, struct err *err)
{
    uint32_t n = 0, size = 0;
    PCRE2_SPTR table = NULL;
    struct buf names = {0};
    int rc = 0;
    pcre2_pattern_info(x->code, PCRE2_INFO_NAMECOUNT, &n);
    pcre2_pattern_info(x->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(x->code, PCRE2_INFO_NAMETABLE, &table);
    for (uint32_t i = 0; i < n && !rc; i++) {
        rc = buf_printf(&names, err, "%s%s", i > 0 ? ", " : "", (const char *)table + i * size + 2);
    }
    if (!rc) {
        rc = err_set(err, ERR_NOT_FOUND, "mark %s: all, first, last, next or a named group; %s%.*s",
                     mark, n > 0 ? "the pattern's groups are: " : "the pattern names none",
                     (int)names.len, names.len ? names.data : "");
    }
    buf_free(&names);
    return rc;
}

/* Sets x->mark; given: the user has written it, so that a group of that name may be meant. */
static int choose_mark(struct regex *x, const char *mark, bool given, struct err *err)
{
    const int group = pcre2_substring_number_from_name(x->code, (PCRE2_SPTR)mark);
    const bool is_group = group >= 0 || group == PCRE2_ERROR_NOUNIQUESUBSTRING;
    static const char *const words[] = {
        [MARK_ALL] = "all", [MARK_FIRST] = "first", [MARK_LAST] = "last", [MARK_NEXT] = "next"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(mark, words[i]) == 0) {
            if (given && is_group) {
                return err_set(err, ERR_NOT_FOUND,
                               "mark %s: the pattern has a group of this name, and %s is also a "
                               "word of mark; give the group another name",
                               mark, mark);
            }
            x->mark = (enum miner_mark)i;
            return 0;
        }
    }
    if (group == PCRE2_ERROR_NOUNIQUESUBSTRING) {
        return err_set(err, ERR_NOT_FOUND, "mark %s: the pattern has several groups of this name",
                       mark);
    }
    if (group < 0) {
        return no_group(x, mark, err);
    }
    if (group > GROUP_MAX) {
        return err_set(err, ERR_NOT_FOUND, "mark %s: group number %d; at most %d can be marked",
                       mark, group, GROUP_MAX);
    }
    x->mark = MARK_ALL;
    x->group = (uint32_t)group;
    return 0;
}

static int make_spec(struct buf *spec, const struct regex_options *o, const char *mark,
                     struct err *err)
{
    int rc = 0;
    if (o->prefix) {
        rc = buf_printf(spec, err, "{\"prefix\":true,\"regex\":");
    } else {
        rc = buf_printf(spec, err, "{\"mark\":\"%s\",\"regex\":", mark);
    }
    rc = rc ? rc : jsonw_string(spec, o->pattern, o->len, err);
    return rc ? rc : buf_append(spec, "}", sizeof "}", err); // and a NUL
}

int regex_miner(struct miner *m, const struct regex_options *o, struct err *err)
{
    const char *mark = o->mark ? o->mark : "all";
    struct buf spec = {0};
    struct regex *x = mem_zero(1, sizeof *x);
    int rc = x ? compile(x, o, err) : err_nomem(err, "a pattern");
    rc = rc ? rc : choose_mark(x, mark, o->mark != NULL, err);
    rc = rc ? rc : make_spec(&spec, o, mark, err);
    if (rc) {
        buf_free(&spec);
        regex_free(x);
        return rc;
    }
    x->prefix = o->prefix;
    if (o->prefix) {
        find_begins(x);
    }
    *m = (struct miner){.kind = &kind, .self = x, .spec = spec.data};
    return 0;
}
