#include "corpora/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "corpora/domain_name.h"
#include "corpora/jsonl.h"
#include "corpora/parquet/parquet.h"
#include "corpora/pieces.h"
#include "corpora/records.h"
#include "corpora/shape.h"

// A long record goes into its pieces in parts of this size, so that no second copy of it is held.
#define UNIT_BYTES ((size_t)128 << 10)

struct source {
    struct stream *stream;   // NULL: a Parquet file
    struct parquet *parquet; // NULL: a stream
    enum records_shape shape;
    bool has_bom;
    bool ended;
    bool damaged;

    uint64_t number;      // of the next doc
    struct pieces pieces; // cuts the current text
    bool in_text;         // there is a current text: the whole file, or one record
    uint64_t line;        // the line where it begins
    const char *rest;     // of a record: [rest_len], what pieces does not have of it yet
    size_t rest_len;
    const char *domain;     // of that record; belongs to the parser, or is domain_name
    struct buf domain_name; // of a row of Parquet
    uint64_t repaired;
    uint64_t n_docs;         // handed out
    struct record_keys keys; // of the first record without a text

    struct records records; // unless the file is one text
    struct jsonl *jsonl;    // likewise

    struct rejects rejects; // all up to the last source_next() that has returned
    struct rejects passed;  // those of the last source_next(), or of the one that runs now
};

// --- what kind of file -------------------------------------------------------------------------

/* Finds out how the records stand in the stream, and sets has_bom. */
static int look_at_shape(struct source *s, enum source_format format, struct shape *shape,
                         struct err *err)
{
    const char *buf;
    const size_t n = stream_peek(s->stream, 3, &buf);
    s->has_bom = utf8_bom(buf, n) > 0;
    *shape = (struct shape){.records = RECORDS_NONE};
    return format == SOURCE_TEXT
               ? 0
               : shape_find(s->stream, format == SOURCE_JSONL ? SHAPE_RECORDS : SHAPE_ANY, shape,
                            err);
}

// --- opening -----------------------------------------------------------------------------------

static int open_parquet(struct source **out, const char *path, const struct source_options *options,
                        struct err *err)
{
    struct source *s = mem_zero(1, sizeof *s);
    if (!s) {
        return err_nomem(err, "a source");
    }
    const struct parquet_options o = {.field = options ? options->field : NULL,
                                      .domain = options ? options->domain : NULL};
    const int rc = parquet_open(&s->parquet, path, &o, err);
    if (rc) {
        source_close(s);
        return rc;
    }
    s->shape = RECORDS_LINES;
    *out = s;
    return 0;
}

int source_open(struct source **out, const char *path, const struct source_options *options,
                struct err *err)
{
    if ((!options || options->format != SOURCE_TEXT) && parquet_is(path)) {
        return open_parquet(out, path, options, err);
    }
    struct stream *stream;
    const int rc = stream_open(&stream, path, err);
    return rc ? rc : source_open_stream(out, stream, options, err);
}

int source_open_stream(struct source **out, struct stream *stream,
                       const struct source_options *options, struct err *err)
{
    static const struct source_options defaults = {0};
    if (!options) {
        options = &defaults;
    }
    struct source *s = mem_zero(1, sizeof *s);
    if (!s) {
        stream_close(stream);
        return err_nomem(err, "a source");
    }
    s->stream = stream;
    int rc = 0;
    const char *buf;
    if (stream_peek(stream, 1, &buf) == 0) { // the end or an error: which?
        size_t len;
        struct err why = {0};
        rc = stream_read(stream, &buf, &len, &why);
        if (rc && !stream_is_damage(rc)) {
            rc = err_set(err, rc, "%s", why.msg);
            goto out;
        }
    }
    struct shape shape;
    rc = look_at_shape(s, options->format, &shape, err);
    if (rc) {
        goto out;
    }
    s->shape = shape.records;
    if (s->shape != RECORDS_NONE) {
        rc = jsonl_open(&s->jsonl, options->field, options->domain, err);
        if (rc) {
            goto out;
        }
        jsonl_allow_strings(s->jsonl, shape.strings);
        records_begin(&s->records, stream, s->shape, options->line_max_bytes);
    } else {
        s->in_text = true;
        s->line = 1;
    }
    *out = s;
    s = NULL;
    rc = 0;
out:
    source_close(s);
    return rc;
}

void source_close(struct source *s)
{
    if (!s) {
        return;
    }
    parquet_close(s->parquet);
    buf_free(&s->domain_name);
    jsonl_close(s->jsonl);
    records_end(&s->records);
    pieces_end(&s->pieces);
    stream_close(s->stream);
    free(s);
}

// --- documents ---------------------------------------------------------------------------------

/* Counts the damage with which stream_read() ended. */
static void count_damage(struct source *s, uint64_t line, uint64_t byte, const struct err *damage)
{
    rejects_add_damage(&s->passed, stream_name(s->stream), false, line, byte, damage);
    s->damaged = true;
}

/* Adds some more of the whole file to pieces. */
static int feed_file(struct source *s, struct err *err)
{
    const char *part;
    size_t len;
    const bool first = stream_tell(s->stream) == 0;
    struct err damage = {0};
    const int rc = stream_read(s->stream, &part, &len, &damage);
    if (rc && !stream_is_damage(rc)) {
        return err_set(err, rc, "%s", damage.msg);
    }
    if (rc) {
        count_damage(s, 1, stream_tell(s->stream), &damage);
    }
    if (rc || len == 0) {
        return pieces_finish(&s->pieces, err);
    }
    const size_t skip = first && s->has_bom ? 3 : 0;
    return pieces_add(&s->pieces, part + skip, len - skip, err);
}

/* Adds some more of the record to pieces. */
static int feed_record(struct source *s, struct err *err)
{
    if (s->rest_len == 0) {
        return pieces_finish(&s->pieces, err);
    }
    const size_t n = s->rest_len < UNIT_BYTES ? s->rest_len : UNIT_BYTES;
    const int rc = pieces_add(&s->pieces, s->rest, n, err);
    s->rest += n;
    s->rest_len -= n;
    return rc;
}

/* Takes the next piece of the current text; *more: whether there was one. */
static int next_piece(struct source *s, struct doc *doc, bool *more, struct err *err)
{
    *more = false;
    while (!pieces_next(&s->pieces, doc)) {
        if (s->pieces.finished) {
            return 0;
        }
        const int rc = s->shape != RECORDS_NONE ? feed_record(s, err) : feed_file(s, err);
        if (rc) {
            return rc;
        }
    }
    *more = doc->len > 0 || !s->damaged; // a damaged file that gives nothing gives no doc
    return 0;
}

/* Reads the next record; line->number is 0 at the end or where damage ends the file. */
static int next_line(struct source *s, struct line *line, struct err *err)
{
    struct err why = {0};
    const int rc = records_next(&s->records, line, &why);
    if (rc && !stream_is_damage(rc)) {
        return err_set(err, rc, "%s", why.msg);
    }
    if (rc) {
        count_damage(s, line->number, line->byte, &why);
        line->number = 0;
    }
    return 0;
}

/* Reads what the record says: JSON, or the text itself. */
static int read_record(struct source *s, const struct line *line, struct jsonl_record *record,
                       enum reject_reason *reason, struct err *err)
{
    if (s->shape == RECORDS_LENGTHS) {
        *record = (struct jsonl_record){.text = line->text, .len = line->len};
        return 0;
    }
    return jsonl_read(s->jsonl, line->text, line->len, record, reason, err);
}

static void reject(struct source *s, enum reject_reason reason, const struct line *line,
                   const struct err *why)
{
    rejects_add(&s->passed, reason, line->number, line->byte, why->msg);
    s->number++;
}

/* Takes the domain of a row. */
static int take_domain(struct source *s, const struct parquet_row *row, struct err *err)
{
    s->domain = NULL;
    if (!row->domain) {
        return 0;
    }
    const int rc = domain_name(&s->domain_name, row->domain, row->domain_len, err);
    s->domain = s->domain_name.data;
    return rc;
}

/* Goes to the next row of Parquet that has a text and begins it; *more: whether there is one. */
static int next_row(struct source *s, bool *more, struct err *err)
{
    *more = false;
    for (;;) {
        struct parquet_row row;
        struct err why = {0};
        const int rc = parquet_next(s->parquet, &row, &why);
        const uint64_t byte = parquet_page_at(s->parquet);
        if (rc && !stream_is_damage(rc)) {
            return err_set(err, rc, "%s", why.msg);
        }
        if (rc) {
            rejects_add_damage(&s->passed, parquet_name(s->parquet), true,
                               parquet_rows(s->parquet) + 1, byte, &why);
            s->damaged = true;
        }
        if (rc || row.end) {
            return 0;
        }
        if (row.is_null) {
            rejects_add(&s->passed, REJECT_NULL_TEXT, parquet_rows(s->parquet), byte,
                        "the text is null");
            s->number++;
            continue;
        }
        s->line = parquet_rows(s->parquet);
        s->rest = row.text;
        s->rest_len = row.len;
        pieces_begin(&s->pieces);
        *more = true;
        return take_domain(s, &row, err);
    }
}

/* Goes to the next record that has a text and begins it; *more: whether there is one. */
static int next_record(struct source *s, bool *more, struct err *err)
{
    *more = false;
    for (;;) {
        struct line line;
        int rc = next_line(s, &line, err);
        if (rc || line.number == 0) {
            return rc;
        }
        struct err why = {0};
        if (line.too_long) {
            err_set(&why, ERR_LIMIT, "longer than the limit of %zu bytes", s->records.max_bytes);
            reject(s, REJECT_TOO_LONG, &line, &why);
            continue;
        }
        struct jsonl_record record;
        enum reject_reason reason;
        rc = read_record(s, &line, &record, &reason, &why);
        if (rc == ERR_FORMAT) {
            if (reason == REJECT_NO_TEXT_FIELD && !s->keys.any) {
                record_keys_of_line(&s->keys, line.text, line.len);
            }
            reject(s, reason, &line, &why);
            continue;
        }
        if (rc) {
            return err_set(err, rc, "%s: line %" PRIu64 ": %s", stream_name(s->stream), line.number,
                           why.msg);
        }
        s->line = line.number;
        s->rest = record.text;
        s->rest_len = record.len;
        s->domain = record.domain;
        pieces_begin(&s->pieces);
        *more = true;
        return 0;
    }
}

/* A record that needs neither repair nor cut is handed out without a copy. */
static bool whole_record(struct source *s, struct doc *doc)
{
    if (s->rest_len > DOC_MAX_BYTES || utf8_valid_prefix(s->rest, s->rest_len) < s->rest_len) {
        return false;
    }
    *doc = (struct doc){.text = s->rest, .len = s->rest_len};
    return true;
}

static enum source_status next_doc(struct source *s, struct doc *doc, struct err *err)
{
    bool found = false;
    while (!found && !s->ended) {
        int rc;
        if (s->in_text) {
            rc = next_piece(s, doc, &found, err);
            s->in_text = found;
            s->ended = !found && s->shape == RECORDS_NONE;
        } else {
            bool more;
            rc = s->parquet ? next_row(s, &more, err) : next_record(s, &more, err);
            found = more && whole_record(s, doc);
            s->in_text = more && !found;
            s->ended = !more;
        }
        if (rc) {
            return SOURCE_ERROR;
        }
    }
    if (!found) {
        return SOURCE_END;
    }
    doc->number = s->number++;
    doc->line = s->line;
    doc->domain = s->domain;
    s->repaired += doc->repaired;
    s->n_docs++;
    return SOURCE_DOC;
}

enum source_status source_next(struct source *s, struct doc *doc, struct err *err)
{
    memset(s->passed.n, 0, sizeof s->passed.n);
    const enum source_status status = next_doc(s, doc, err);
    rejects_append(&s->rejects, &s->passed);
    return status;
}

const struct rejects *source_rejects(const struct source *s)
{
    return &s->rejects;
}

const struct rejects *source_passed(const struct source *s)
{
    return &s->passed;
}

bool source_damaged(const struct source *s)
{
    return s->damaged;
}

uint64_t source_repaired(const struct source *s)
{
    return s->repaired;
}

uint64_t source_docs(const struct source *s)
{
    return s->n_docs;
}

const struct record_keys *source_keys(const struct source *s)
{
    return &s->keys;
}

bool source_has_rows(const struct source *s)
{
    return s->parquet;
}

uint64_t source_tell_raw(const struct source *s)
{
    return s->parquet ? parquet_tell(s->parquet) : stream_tell_raw(s->stream);
}

uint64_t source_size_raw(const struct source *s)
{
    return s->parquet ? parquet_bytes(s->parquet) : stream_size_raw(s->stream);
}
