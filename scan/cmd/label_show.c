#include "scan/cmd/label_show.h"

#include <inttypes.h>
#include <stdlib.h>

#include "corpora/base/memstream.h"
#include "corpora/base/plural.h"
#include "corpora/base/utf8_repair.h"
#include "out/text/printable.h"

#define BEFORE_CHARS 30 // shown before the first labelled token,
#define WIDTH_CHARS 90  // and of all

/* Appends a part of a document: as UTF-8 without NULs, since show.h takes strings. */
static int put_part(struct buf *b, const char *text, size_t len, struct err *err)
{
    uint64_t n;
    const size_t from = b->len;
    int rc = utf8_repair(b, text, len, &n, err); // a token may cut a character
    for (size_t i = from; i < b->len && !rc; i++) {
        b->data[i] = b->data[i] ? b->data[i] : '?';
    }
    return rc;
}

/* Where the character begins that is 'n' before text[at]. */
static size_t back_chars(const char *text, size_t at, size_t n)
{
    while (at > 0 && n > 0) {
        at--;
        n -= ((unsigned char)text[at] & 0xc0) != 0x80;
    }
    return at;
}

/* The text around token 'first', labelled tokens in brackets; about as long as is shown. */
static int put_context(struct buf *b, const struct tokens *t, const uint8_t *labels, size_t first,
                       struct err *err)
{
    const size_t begin = first > 0 ? t->ends[first - 1] : 0;
    const size_t from = back_chars(t->text, begin, BEFORE_CHARS);
    int rc = put_part(b, t->text + from, begin - from, err);
    for (size_t i = first, at = begin; i < t->n && at < begin + 4 * WIDTH_CHARS && !rc;) {
        size_t end = i + 1; // of a run of labelled tokens, or of others
        while (end < t->n && labels[end] == labels[i]) {
            end++;
        }
        const size_t to = t->ends[end - 1];
        const size_t len = to - at < 4 * WIDTH_CHARS ? to - at : 4 * WIDTH_CHARS;
        rc = labels[i] ? buf_append(b, "[", 1, err) : 0;
        rc = rc ? rc : put_part(b, t->text + at, len, err);
        if (!rc && labels[i]) {
            rc = buf_append(b, "]", 1, err);
        }
        at = to;
        i = end;
    }
    return rc ? rc : buf_append(b, "", 1, err);
}

/* " -> [ are]" of the token that would follow. */
static int put_answer(FILE *to, const struct tokenizer *t, uint32_t id, struct err *err)
{
    struct buf text = {0};
    size_t len = 0;
    const char *bytes = tokenizer_bytes(t, id, &len);
    int rc = put_part(&text, bytes ? bytes : "", bytes ? len : 0, err);
    rc = rc ? rc : buf_append(&text, "", 1, err);
    if (!rc) {
        fputs(" [", to);
        show_text(to, text.data, 0, WIDTH_CHARS);
        putc(']', to);
    }
    buf_free(&text);
    return rc;
}

static int put_answers(FILE *to, const struct label_answers *a, size_t first, struct err *err)
{
    int rc = 0;
    if (a->own || a->n_fixed > 0) {
        fputs(" ->", to);
    }
    if (a->own) {
        return put_answer(to, a->tokenizer, a->own[first], err);
    }
    for (size_t i = 0; i < a->n_fixed && !rc; i++) {
        rc = put_answer(to, a->tokenizer, a->fixed[i], err);
    }
    return rc;
}

static int keep_line(struct label_show *s, uint64_t number, const struct tokens *t,
                     const uint8_t *labels, const struct label_answers *answers, size_t first,
                     struct err *err)
{
    struct buf context = {0};
    char *line = NULL;
    size_t len = 0;
    int rc = put_context(&context, t, labels, first, err);
    FILE *to = rc ? NULL : memstream_open(&line, &len);
    if (to) {
        fprintf(to, "  doc %-6" PRIu64 " ", number);
        show_text(to, context.data, 0, WIDTH_CHARS);
        rc = put_answers(to, answers, first, err);
        putc('\n', to);
    }
    const bool closed = to && fclose(to) == 0;
    if (!rc && !closed) {
        rc = err_nomem(err, "a line");
    }
    rc = rc ? rc : buf_append(&s->lines, line, len, err);
    s->n_lines += !rc;
    free(line);
    buf_free(&context);
    return rc;
}

int label_show_add(struct label_show *s, uint64_t number, const struct tokens *t,
                   const uint8_t *labels, const struct label_answers *answers,
                   enum miner_verdict verdict, size_t n_max, struct err *err)
{
    if (verdict == MINER_GAVE_UP) {
        s->gave_up++;
        return 0;
    }
    size_t n = 0, first = 0;
    for (size_t i = 0; i < t->n; i++) {
        first = n == 0 && labels[i] ? i : first;
        n += labels[i];
    }
    s->docs++;
    s->tokens += t->n;
    s->labelled += n;
    s->docs_with += n > 0;
    return n > 0 && s->n_lines < n_max ? keep_line(s, number, t, labels, answers, first, err) : 0;
}

static double percent(uint64_t part, uint64_t all)
{
    return all ? 100.0 * (double)part / (double)all : 0.0;
}

void label_show_print(const struct label_show *s, const char *name, FILE *to)
{
    fprintf(to,
            "%s: %" PRIu64 " of %" PRIu64 " token%s (%.3g %%) in %" PRIu64 " of %" PRIu64
            " doc%s (%.3g %%)",
            name, s->labelled, s->tokens, plural_s(s->tokens), percent(s->labelled, s->tokens),
            s->docs_with, s->docs, s->docs == 1 ? "" : "s", percent(s->docs_with, s->docs));
    if (s->gave_up) {
        fprintf(to, "; gave up on %" PRIu64 " more", s->gave_up);
    }
    putc('\n', to);
    if (s->lines.len) {
        fwrite(s->lines.data, 1, s->lines.len, to);
    }
}

void label_show_free(struct label_show *s)
{
    buf_free(&s->lines);
    *s = (struct label_show){0};
}
