#include "corpora/pieces.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/utf8.h"

void pieces_begin(struct pieces *p)
{
    p->raw.len = 0;
    p->text.len = 0;
    p->text_at = 0;
    p->begins = 0;
    p->n_marks = 0;
    p->marks_at = 0;
    p->finished = false;
    p->any = false;
}

void pieces_end(struct pieces *p)
{
    buf_free(&p->raw);
    buf_free(&p->text);
    free(p->marks);
    *p = (struct pieces){0};
}

static int put_in_replacement(struct pieces *p, struct err *err)
{
    int rc = mem_reserve(&p->marks, &p->marks_cap, p->n_marks + 1, sizeof *p->marks, "a text", err);
    if (!rc) {
        p->marks[p->n_marks++] = p->begins + (p->text.len - p->text_at);
        rc = buf_append(&p->text, "\xef\xbf\xbd", 3, err); // U+FFFD
    }
    return rc;
}

/* Like utf8_repair(), but remembers the places. */
static int repair(struct pieces *p, const char *raw, size_t len, struct err *err)
{
    for (size_t at = 0; at < len;) {
        const size_t valid = utf8_valid_prefix(raw + at, len - at);
        int rc = buf_append(&p->text, raw + at, valid, err);
        at += valid;
        if (!rc && at < len) {
            size_t used;
            utf8_decode(raw + at, len - at, &used);
            at += used;
            rc = put_in_replacement(p, err);
        }
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static void drop_handed_out(struct pieces *p)
{
    if (p->text_at > 0) {
        p->text.len -= p->text_at;
        memmove(p->text.data, p->text.data + p->text_at, p->text.len);
        p->text_at = 0;
    }
    if (p->marks_at > 0) {
        p->n_marks -= p->marks_at;
        memmove(p->marks, p->marks + p->marks_at, p->n_marks * sizeof *p->marks);
        p->marks_at = 0;
    }
}

int pieces_add(struct pieces *p, const char *part, size_t len, struct err *err)
{
    if (len == 0) {
        return 0;
    }
    drop_handed_out(p);
    int rc = buf_append(&p->raw, part, len, err);
    if (rc) {
        return rc;
    }
    const size_t whole = p->raw.len - utf8_unfinished(p->raw.data, p->raw.len);
    rc = repair(p, p->raw.data, whole, err);
    if (!rc) {
        p->raw.len -= whole;
        memmove(p->raw.data, p->raw.data + whole, p->raw.len);
    }
    return rc;
}

int pieces_finish(struct pieces *p, struct err *err)
{
    const int rc = repair(p, p->raw.data, p->raw.len, err);
    p->raw.len = 0;
    p->finished = true;
    return rc;
}

/* The size in bytes of the next piece of text[len]. */
static size_t cut(const char *text, size_t len)
{
    if (len <= DOC_MAX_BYTES) {
        return len;
    }
    const char *lf = memrchr(text, '\n', DOC_MAX_BYTES);
    if (lf) {
        return (size_t)(lf - text) + 1;
    }
    size_t n = DOC_MAX_BYTES;
    while (((unsigned char)text[n] & 0xc0) == 0x80) { // inside a character
        n--;
    }
    return n;
}

bool pieces_next(struct pieces *p, struct doc *doc)
{
    const size_t left = p->text.len - p->text_at;
    if (left <= DOC_MAX_BYTES && (!p->finished || (left == 0 && p->any))) {
        return false;
    }
    const size_t n = left ? cut(p->text.data + p->text_at, left) : 0;
    doc->text = left ? p->text.data + p->text_at : "";
    doc->len = n;
    doc->begins = p->begins;
    doc->repaired = 0;
    p->begins += n;
    p->text_at += n;
    while (p->marks_at < p->n_marks && p->marks[p->marks_at] < p->begins) {
        p->marks_at++;
        doc->repaired++;
    }
    p->any = true;
    return true;
}
