/*
 * code_bracket.c - tokens inside brackets and quotation marks
 *
 * in_parens, in_square, in_braces   inside of ( ), [ ], { }
 * bracket_depth_1, _2, _3plus       inside of one pair of these, of two, of three or more
 * in_quotes                         inside of " " or of the typographic pair
 *
 * The state after the token's last byte counts: if "(a)" is three tokens, the first and the second
 * are labelled and the third is not; a token "()" is not.  That is what a model can know when it
 * has read the token.
 *
 * Brackets: only pairs count, so the { of a text that breaks off changes nothing; whether a bracket
 * is closed shows only later.  A closing bracket ends the nearest open one of its kind; brackets
 * that were opened inside and not closed are no pairs.  Brackets in strings and comments count.
 * These do not: a bracket behind a backslash, one that is alone in quotes ('(' and "("), the mouth
 * of a smiley (eyes : or ; behind white space, perhaps a nose -), and the ) behind the number or
 * letter that begins a line: 1) and a).
 *
 * Quotes: a straight quote opens if none is open in its paragraph and closes if one is; behind a
 * backslash, or behind a digit (inches) if none is open, it does neither.  A typographic quote
 * closes with its partner, a German low one also with the one that opens in English; pairs of the
 * two sorts do not mix.  A quote that is not closed before a blank line, or at all, opens nothing.
 * Single quotes do not count, because they are too often apostrophes.
 */
#include "miners/code/code_list.h"

#include <string.h>

struct bracket {
    uint32_t at;
    uint8_t kind; // 0 ( 1 [ 2 {
    bool opens, paired;
};

enum { N_KINDS = 3, MAX_BULLET = 64 }; // MAX_BULLET: bytes, with what is in front of it

// 1 + kind, plus 4 for a bracket that opens
static const uint8_t brackets[256] = {
    ['('] = 5, [')'] = 1, ['['] = 6, [']'] = 2, ['{'] = 7, ['}'] = 3};

static bool is_smiley(const struct tokens *doc, size_t at)
{
    const size_t eyes = at - 1 - text_at(doc, at - 1, '-');
    return (text_at(doc, eyes, ':') || text_at(doc, eyes, ';')) &&
           (eyes == 0 || text_is(doc, eyes - 1, TEXT_SPACE));
}

/* Whether the ) at 'at' is that of 1) or a) at the beginning of a line. */
static bool is_bullet(const struct tokens *doc, size_t at)
{
    size_t first = at;
    while (at - first < 3 && text_is(doc, first - 1, TEXT_ALNUM)) {
        first--;
    }
    size_t begin = first;
    while (begin > 0 && at - begin < MAX_BULLET && text_is(doc, begin - 1, TEXT_BLANK)) {
        begin--;
    }
    return (first + 1 == at || (first < at && text_is(doc, first, TEXT_DIGIT))) &&
           (begin == 0 || text_at(doc, begin - 1, '\n'));
}

/* The entry of brackets[] for the byte at 'at'; 0 if it is not a bracket that counts. */
static uint8_t bracket_at(const struct tokens *doc, size_t at)
{
    const uint8_t b = brackets[(unsigned char)doc->text[at]];
    const bool quoted = b && (text_at(doc, at - 1, '\'') || text_at(doc, at - 1, '"')) &&
                        text_at(doc, at + 1, doc->text[at - 1]);
    const bool round = doc->text[at] == '(' || doc->text[at] == ')';
    if (!b || quoted || text_at(doc, at - 1, '\\') || (round && is_smiley(doc, at)) ||
        (doc->text[at] == ')' && is_bullet(doc, at))) {
        return 0;
    }
    return b;
}

/* Pairs a closing bracket: *stack holds the indices of the open ones in list. */
static void close_bracket(struct bracket *list, size_t i, uint32_t *stack, size_t *n_stack,
                          size_t n_open[N_KINDS])
{
    if (!n_open[list[i].kind]) {
        return;
    }
    struct bracket *open;
    do {
        open = &list[stack[--*n_stack]];
        n_open[open->kind]--;
    } while (open->kind != list[i].kind);
    open->paired = list[i].paired = true;
}

/* Puts all brackets of the document into s->a, marks those that have a partner, and sets *n to
 * their number. */
static int find_brackets(const struct tokens *doc, struct code_scratch *s, size_t *n,
                         struct err *err)
{
    size_t count = 0, n_stack = 0, n_open[N_KINDS] = {0};
    for (size_t at = 0; at < doc->text_len; at++) {
        count += brackets[(unsigned char)doc->text[at]] != 0;
    }
    s->a.len = s->b.len = 0;
    int rc = buf_reserve(&s->a, count * sizeof(struct bracket), err);
    rc = rc ? rc : buf_reserve(&s->b, count * sizeof(uint32_t), err);
    if (rc) {
        return rc;
    }
    struct bracket *list = (void *)s->a.data;
    uint32_t *stack = (void *)s->b.data;
    *n = 0;
    for (size_t at = 0; at < doc->text_len; at++) {
        const uint8_t b = bracket_at(doc, at);
        if (!b) {
            continue;
        }
        const uint8_t kind = (b & 3) - 1;
        list[*n] = (struct bracket){.at = (uint32_t)at, .kind = kind, .opens = b > 4};
        if (b > 4) {
            stack[n_stack++] = (uint32_t)*n;
            n_open[kind]++;
        } else {
            close_bracket(list, *n, stack, &n_stack, n_open);
        }
        ++*n;
    }
    return 0;
}

/* Labels tokens where lo to hi pairs of the kinds in 'kinds' (bits) are open. */
static int mark_brackets(const struct tokens *doc, uint8_t *label, struct code_scratch *s,
                         unsigned kinds, size_t lo, size_t hi, struct err *err)
{
    size_t n, token = 0, depth = 0, from = 0;
    const int rc = find_brackets(doc, s, &n, err);
    const struct bracket *list = (void *)s->a.data;
    for (size_t i = 0; !rc && i < n; i++) {
        if (!list[i].paired || !(kinds >> list[i].kind & 1)) {
            continue;
        }
        const size_t behind = (size_t)list[i].at + 1;
        if (depth >= lo && depth <= hi) {
            mark_state(label, doc, &token, from, behind);
        }
        depth += list[i].opens ? 1 : SIZE_MAX;
        from = behind;
    }
    return rc;
}

enum quote { NONE, STRAIGHT, OPENS, LOW, CLOSES };

/* The kind of quote at 'at', and its length. */
static enum quote quote_at(const struct tokens *doc, size_t at, size_t *len)
{
    *len = 1;
    if (doc->text[at] == '"') {
        return text_at(doc, at - 1, '\\') ? NONE : STRAIGHT;
    }
    if (!text_begins(doc, at, "\xe2\x80")) {
        return NONE;
    }
    *len = 3;
    const char last = doc->text[at + 2];
    return last == '\x9c' ? OPENS : last == '\x9d' ? CLOSES : last == '\x9e' ? LOW : NONE;
}

static bool closes(enum quote open, enum quote q)
{
    return open == STRAIGHT ? q == STRAIGHT
           : open == OPENS  ? q == CLOSES
           : open == LOW    ? q == OPENS || q == CLOSES
                            : false;
}

static bool blank_line_at(const struct tokens *doc, size_t at)
{
    return doc->text[at] == '\n' && text_at(doc, text_run_end(doc, at + 1, TEXT_BLANK), '\n');
}

static int mark_quotes(const struct tokens *doc, uint8_t *label)
{
    size_t token = 0, from = 0, len;
    enum quote open = NONE;
    for (size_t at = 0; at < doc->text_len; at++) {
        const char c = doc->text[at];
        if (c != '"' && c != '\xe2' && c != '\n') {
            continue;
        }
        if (c == '\n') {
            open = blank_line_at(doc, at) ? NONE : open;
            continue;
        }
        const enum quote q = quote_at(doc, at, &len);
        if (closes(open, q)) {
            mark_state(label, doc, &token, from, at + len);
            open = NONE;
        } else if (open == NONE && q != NONE && q != CLOSES &&
                   !(q == STRAIGHT && text_is(doc, at - 1, TEXT_DIGIT))) {
            open = q;
            from = at + len;
        }
    }
    return 0;
}

CODE_LABEL(bracket_depth_1, mark_brackets(doc, label, s, 7, 1, 1, err))
CODE_LABEL(bracket_depth_2, mark_brackets(doc, label, s, 7, 2, 2, err))
CODE_LABEL(bracket_depth_3plus, mark_brackets(doc, label, s, 7, 3, SIZE_MAX, err))
CODE_LABEL(in_braces, mark_brackets(doc, label, s, 4, 1, SIZE_MAX, err))
CODE_LABEL(in_parens, mark_brackets(doc, label, s, 1, 1, SIZE_MAX, err))
CODE_LABEL(in_quotes, mark_quotes(doc, label))
CODE_LABEL(in_square, mark_brackets(doc, label, s, 2, 1, SIZE_MAX, err))
