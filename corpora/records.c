#include "corpora/records.h"

#include <inttypes.h>
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/base/utf8.h"

// A buffer that has grown beyond this for one record is freed before the next.
#define KEEP_BYTES ((size_t)16 << 20)

// The byte before each value of RFC 7464.
#define MARK '\x1e'

uint64_t records_length(const char *text)
{
    uint64_t len = 0;
    for (size_t i = 0; i < RECORDS_LENGTH_DIGITS; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return UINT64_MAX;
        }
        len = len * 10 + (uint64_t)(text[i] - '0');
    }
    return len;
}

void records_begin(struct records *r, struct stream *stream, enum records_shape shape,
                   size_t max_bytes)
{
    const char *buf;
    const size_t n = stream_peek(stream, 3, &buf);
    *r = (struct records){
        .shape = shape,
        .stream = stream,
        .max_bytes = max_bytes ? max_bytes : LINES_MAX_BYTES,
        .bom = utf8_bom(buf, n) > 0,
        .number = 1,
    };
    lines_begin(&r->lines, stream, max_bytes);
}

void records_end(struct records *r)
{
    lines_end(&r->lines);
    buf_free(&r->record);
}

// --- bytes -------------------------------------------------------------------------------------

/* Whether there is a next byte, r->at[0]; false at the end.  Errors: those of stream_read(). */
static int look(struct records *r, bool *any, struct err *err)
{
    *any = true;
    if (r->left > 0) {
        return 0;
    }
    const int rc = stream_read(r->stream, &r->at, &r->left, err);
    if (!rc && r->bom) { // records_begin() saw it: it lies within one buffer
        r->bom = false;
        r->at += 3;
        r->left -= 3;
        r->byte += 3;
        return look(r, any, err);
    }
    *any = !rc && r->left > 0;
    return rc;
}

/* Passes over the next n bytes, n <= r->left. */
static void pass(struct records *r, size_t n)
{
    for (const char *at = r->at, *lf; (lf = memchr(at, '\n', n - (size_t)(at - r->at)));) {
        r->number++;
        at = lf + 1;
    }
    r->at += n;
    r->left -= n;
    r->byte += n;
}

/* Passes over blanks and 'also'; *any: whether a byte follows. */
static int pass_blanks(struct records *r, char also, bool *any, struct err *err)
{
    for (;;) {
        const int rc = look(r, any, err);
        if (rc || !*any) {
            return rc;
        }
        size_t n = 0;
        while (n < r->left && (json_is_space(r->at[n]) || r->at[n] == also)) {
            n++;
        }
        pass(r, n);
        if (r->left > 0) {
            return 0;
        }
    }
}

// --- one JSON value ----------------------------------------------------------------------------

/* The place inside a value that is being read. */
struct within {
    size_t depth; // of brackets
    bool string, escaped;
    char before;      // the last byte that is not blank
    bool line_begins; // the last byte was a line end
    uint64_t raw_len; // bytes read of it
    bool too_long;
};

/* Adds text[n] to the record, unless it is too long. */
static int keep(struct records *r, struct within *w, const char *text, size_t n, struct err *err)
{
    if (w->too_long || n == 0) {
        return 0;
    }
    const int rc = buf_append(&r->record, text, n, err);
    return rc ? err_prefix(err, "%s: line %" PRIu64, stream_name(r->stream), r->number) : 0;
}

/* Whether the value ends before the byte c. */
static bool ends_before(const struct records *r, const struct within *w, char c)
{
    if (r->shape == RECORDS_MARKED) {
        return c == MARK;
    }
    if (w->string) {
        return false;
    }
    if (w->depth == 0) {
        return json_is_space(c) || c == ',' || c == ']' || c == '}';
    }
    // A bracket at the beginning of a line that follows no colon, comma or bracket cannot belong to
    // the value, which is broken: the next one begins.
    return r->shape == RECORDS_VALUES && c == '{' && w->line_begins && !memchr(":,[", w->before, 3);
}

/* Goes on from the byte c of the value; whether the value ends behind it. */
static bool step(const struct records *r, struct within *w, char c)
{
    w->line_begins = c == '\n';
    if (w->string) {
        if (w->escaped) {
            w->escaped = false;
        } else if (c == '\\') {
            w->escaped = true;
        } else if (c == '"' || (c == '\n' && r->shape == RECORDS_VALUES)) {
            w->string = false; // a line end is not allowed there: the value is broken
            w->before = c;
            return w->depth == 0 && r->shape != RECORDS_MARKED;
        }
        return false;
    }
    if (c == '"') {
        w->string = true;
    } else if (c == '{' || c == '[') {
        w->depth++;
    } else if ((c == '}' || c == ']') && w->depth > 0) {
        w->depth--;
        return w->depth == 0 && r->shape != RECORDS_MARKED;
    }
    w->before = json_is_space(c) ? w->before : c;
    return false;
}

/* Adds to the record what lies in the buffer of the value; *ended: whether its end was found. */
static int take_some(struct records *r, struct within *w, bool *ended, struct err *err)
{
    size_t from = 0, n = 0;
    int rc = 0;
    while (n < r->left && !*ended && !rc) {
        const char c = r->at[n];
        if (ends_before(r, w, c)) {
            *ended = true;
            break;
        }
        if (c == '\n') {
            rc = keep(r, w, r->at + from, n - from, err);
            const bool text = w->string && !w->escaped;
            rc = rc ? rc : keep(r, w, text ? "\\n" : " ", text ? 2 : 1, err);
            from = n + 1;
        }
        *ended = step(r, w, c);
        n++;
    }
    w->raw_len += n;
    if (w->raw_len > r->max_bytes && !w->too_long) {
        w->too_long = true;
        buf_free(&r->record);
    }
    if (!rc && from <= n) {
        rc = keep(r, w, r->at + from, n - from, err);
    }
    pass(r, n);
    return rc;
}

/*
 * Reads the value that begins with the next byte, up to its end; *ended: false where the file ends
 * first.  A value that a comma, a bracket or (RECORDS_MARKED) a mark ends at once is empty.
 */
static int take_value(struct records *r, struct line *record, bool *ended, struct err *err)
{
    struct within w = {0};
    bool any = true;
    int rc = 0;
    *ended = false;
    while (!rc && !*ended) {
        rc = look(r, &any, err);
        if (rc == ERR_GARBAGE && r->shape == RECORDS_MARKED && w.raw_len > 0) {
            rc = 0; // what is before it is whole; the next call meets it again
            break;
        }
        if (rc || !any) {
            break;
        }
        rc = take_some(r, &w, ended, err);
    }
    if (!rc) {
        *ended = *ended || (w.depth == 0 && !w.string);
        record->too_long = w.too_long;
        record->text = w.too_long ? NULL : r->record.len ? r->record.data : "";
        record->len = w.too_long ? 0 : r->record.len;
    }
    return rc;
}

// --- shapes ------------------------------------------------------------------------------------

static int fail(const struct records *r, enum err_code code, const char *why, struct err *err)
{
    return err_set(err, code, "%s: byte %" PRIu64 ": %s", stream_name(r->stream), r->byte, why);
}

/* Places the record at the next byte. */
static void place(const struct records *r, struct line *record)
{
    record->number = r->number;
    record->byte = r->byte;
}

/* Passes over blanks and 'also', and places the record at the next byte; *any: whether there is one.
 * At the end record->number is 0. */
static int find_record(struct records *r, char also, struct line *record, bool *any,
                       struct err *err)
{
    const int rc = pass_blanks(r, also, any, err);
    place(r, record);
    if (!rc && !*any) {
        record->number = 0;
    }
    return rc;
}

static int next_item(struct records *r, struct line *record, struct err *err)
{
    static const char cut[] = "the file ends inside its JSON array: an interrupted copy?";
    bool any;
    if (r->closed) {
        return 0;
    }
    int rc = pass_blanks(r, ' ', &any, err);
    if (!rc && any && !r->begun) {
        pass(r, 1); // the bracket, which shape_find() saw
        r->begun = true;
        rc = pass_blanks(r, ' ', &any, err);
    }
    if (!rc && any && r->after_item && *r->at == ',') {
        pass(r, 1);
        r->after_item = false;
        rc = pass_blanks(r, ' ', &any, err);
    }
    place(r, record);
    if (rc) {
        return rc;
    }
    if (!any) {
        return fail(r, ERR_TRUNCATED, cut, err);
    }
    if (*r->at == ']') {
        pass(r, 1);
        rc = pass_blanks(r, ' ', &any, err);
        place(r, record);
        if (!rc && any) {
            return fail(r, ERR_GARBAGE,
                        "something follows the JSON array; `jq -c '.[]' FILE` makes JSONL of the "
                        "items of several",
                        err);
        }
        record->number = rc ? record->number : 0;
        r->closed = !rc;
        return rc;
    }
    if (r->after_item || *r->at == '}') {
        return fail(r, ERR_CORRUPT, "a comma or ] must follow an item of the JSON array", err);
    }
    bool ended;
    rc = take_value(r, record, &ended, err);
    r->after_item = true;
    if (rc || ended) {
        return rc;
    }
    return fail(r, ERR_TRUNCATED, cut, err);
}

/* The rest of a line that no value begins. */
static int take_line(struct records *r, struct line *record, struct err *err)
{
    struct within w = {0};
    bool any, ended = false;
    int rc = 0;
    while (!rc && !ended) {
        rc = look(r, &any, err);
        if (rc || !any) {
            break;
        }
        const char *lf = memchr(r->at, '\n', r->left);
        const size_t n = lf ? (size_t)(lf - r->at) : r->left;
        ended = lf != NULL;
        w.raw_len += n;
        if (w.raw_len > r->max_bytes) {
            w.too_long = true;
            buf_free(&r->record);
        }
        rc = keep(r, &w, r->at, n, err);
        pass(r, n);
    }
    record->too_long = w.too_long;
    record->text = w.too_long ? NULL : r->record.data;
    record->len = r->record.len;
    return rc;
}

static int next_value(struct records *r, struct line *record, struct err *err)
{
    bool any, ended;
    const int rc = find_record(r, ',', record, &any, err);
    if (rc || !any) {
        return rc;
    }
    if (!memchr("{[\"", *r->at, 3)) {
        return take_line(r, record, err);
    }
    return take_value(r, record, &ended, err); // JSON says what a value that does not end lacks
}

static int next_marked(struct records *r, struct line *record, struct err *err)
{
    bool any, ended;
    const int rc = find_record(r, MARK, record, &any, err);
    if (rc || !any) {
        return rc;
    }
    return take_value(r, record, &ended, err);
}

/* Takes 'want' bytes, or as many as there are before the end, into the record; those of a text that
 * is too long are passed over. */
static int take_bytes(struct records *r, uint64_t want, bool too_long, struct err *err)
{
    struct within w = {.too_long = too_long};
    while (want > 0) {
        bool any;
        int rc = look(r, &any, err);
        if (rc || !any) {
            return rc ? rc
                      : fail(r, ERR_TRUNCATED, "the file ends inside a text: an interrupted copy?",
                             err);
        }
        const size_t n = want < r->left ? (size_t)want : r->left;
        rc = keep(r, &w, r->at, n, err);
        if (rc) {
            return rc;
        }
        pass(r, n);
        want -= n;
    }
    return 0;
}

static int next_text(struct records *r, struct line *record, struct err *err)
{
    bool any;
    int rc = look(r, &any, err);
    place(r, record);
    if (rc || !any) {
        record->number = rc ? record->number : 0;
        return rc;
    }
    rc = take_bytes(r, RECORDS_LENGTH_DIGITS, false, err);
    if (rc) {
        return rc;
    }
    const uint64_t len = records_length(r->record.data);
    if (len == UINT64_MAX) {
        r->byte = record->byte;
        return fail(r, ERR_CORRUPT, "not the 16 digits of a length, as in lm_dataformat's .dat",
                    err);
    }
    r->record.len = 0;
    record->too_long = len > r->max_bytes;
    rc = take_bytes(r, len, record->too_long, err);
    record->text = record->too_long ? NULL : r->record.len ? r->record.data : "";
    record->len = r->record.len;
    return rc;
}

int records_next(struct records *r, struct line *record, struct err *err)
{
    r->record.len = 0;
    if (r->record.cap > KEEP_BYTES) {
        buf_free(&r->record);
    }
    *record = (struct line){0};
    switch (r->shape) {
    case RECORDS_ARRAY:
        return next_item(r, record, err);
    case RECORDS_VALUES:
        return next_value(r, record, err);
    case RECORDS_MARKED:
        return next_marked(r, record, err);
    case RECORDS_LENGTHS:
        return next_text(r, record, err);
    case RECORDS_LINES:
    case RECORDS_NONE:
        break;
    }
    int rc;
    do {
        rc = lines_next(&r->lines, record, err);
    } while (!rc && record->number > 0 && lines_blank(record));
    return rc;
}
