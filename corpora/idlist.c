#include "corpora/idlist.h"

#include <inttypes.h>
#include <stdlib.h>

#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "corpora/member.h"
#include "corpora/parquet/parquet.h"
#include "corpora/records.h"
#include "corpora/shape.h"
#include "corpora/stream.h"

struct idlist {
    struct parquet *parquet; // NULL: the records are in a stream
    struct stream *stream;
    struct records records;
    const char *field;   // NULL: the default
    const char *key;     // of the last list
    uint64_t line, byte; // of the last record
    struct json_parser *parser;
    size_t n_ctx, d_vocab;
    uint32_t *ids; // [cap]
    size_t cap;
};

static int open_parquet(struct idlist *l, const char *path, struct err *err)
{
    const struct parquet_options o = {.want = PARQUET_IDS, .field = l->field};
    const int rc = parquet_open(&l->parquet, path, &o, err);
    l->key = rc ? NULL : parquet_field(l->parquet);
    return rc;
}

/* Opens JSONL, or records in another shape. */
static int open_records(struct idlist *l, const char *path, struct err *err)
{
    struct shape shape;
    l->parser = json_lines_parser_new();
    if (!l->parser) {
        return err_nomem(err, "lists of ids");
    }
    int rc = l->field ? member_check(l->field, "field", err) : 0;
    rc = rc ? rc : stream_open(&l->stream, path, err);
    rc = rc ? rc : shape_find(l->stream, SHAPE_IDS, &shape, err);
    if (!rc) {
        records_begin(&l->records, l->stream, shape.records, 0);
    }
    return rc;
}

int idlist_open(struct idlist **out, const char *path, const char *field, size_t n_ctx,
                size_t d_vocab, struct err *err)
{
    struct idlist *l = mem_zero(1, sizeof *l);
    if (!l) {
        return err_nomem(err, "lists of ids");
    }
    l->field = field;
    l->n_ctx = n_ctx;
    l->d_vocab = d_vocab;
    const int rc = parquet_is(path) ? open_parquet(l, path, err) : open_records(l, path, err);
    if (rc) {
        idlist_close(l);
        return rc;
    }
    *out = l;
    return 0;
}

void idlist_close(struct idlist *l)
{
    if (!l) {
        return;
    }
    parquet_close(l->parquet);
    records_end(&l->records);
    stream_close(l->stream);
    json_parser_free(l->parser);
    free(l->ids);
    free(l);
}

struct json_object *idlist_member(struct json_object *record, const char **key)
{
    static const char *const keys[] = {"ids", "input_ids", "tokens"};
    struct json_object *list = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !list; i++) {
        list = json_member(record, keys[i]);
        *key = list ? keys[i] : *key;
    }
    return list;
}

static bool is_list(struct json_object *value)
{
    return json_object_is_type(value, json_type_array);
}

/* The record's member with the ids, whose name becomes l->key; NULL: there is none. */
static struct json_object *find_list(struct idlist *l, struct json_object *record)
{
    if (l->field) {
        struct json_object *other, *list = member_that(record, l->field, is_list, &other);
        l->key = l->field;
        return list ? list : other;
    }
    return idlist_member(record, &l->key);
}

/* Makes room for a list of n ids. */
static int begin_ids(struct idlist *l, size_t n, struct err *err)
{
    if (n == 0) {
        return err_set(err, ERR_FORMAT, "\"%s\" is empty", l->key);
    }
    if (n > l->n_ctx) {
        return err_set(err, ERR_LIMIT, "%zu ids; a window holds at most %zu", n, l->n_ctx);
    }
    return mem_reserve(&l->ids, &l->cap, n, sizeof *l->ids, "lists of ids", err);
}

static int take_id(struct idlist *l, size_t i, uint64_t value, struct err *err)
{
    if (value >= l->d_vocab || value > UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "id %zu is %" PRIu64 "; the vocabulary has %zu", i, value,
                       l->d_vocab);
    }
    l->ids[i] = (uint32_t)value;
    return 0;
}

/* Reads the list of one record into l->ids. */
static int read_ids(struct idlist *l, struct json_object *record, size_t *n_ids, struct err *err)
{
    struct json_object *list = find_list(l, record);
    if (!list && l->field) {
        return err_set(err, ERR_FORMAT, "no \"%s\", which must hold the ids", l->field);
    }
    if (!list) {
        return err_set(err, ERR_FORMAT,
                       "no \"ids\", \"input_ids\" or \"tokens\"; expected {\"ids\":[1,2,3]}, or "
                       "--field to name the ids");
    }
    if (!json_object_is_type(list, json_type_array)) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %s; expected an array", l->key, json_kind(list));
    }
    const size_t n = json_object_array_length(list);
    const int rc = begin_ids(l, n, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        struct json_object *id = json_object_array_get_idx(list, i);
        if (!json_object_is_type(id, json_type_int) || json_object_get_int64(id) < 0) {
            const bool is_number =
                json_object_is_type(id, json_type_int) || json_object_is_type(id, json_type_double);
            return err_set(err, ERR_FORMAT, "id %zu is %s; expected a whole number from 0", i,
                           is_number ? json_object_get_string(id) : json_kind(id));
        }
        const int wrong = take_id(l, i, json_object_get_uint64(id), err);
        if (wrong) {
            return wrong;
        }
    }
    *n_ids = n;
    return 0;
}

/* Reads the list of one row into l->ids. */
static int read_row(struct idlist *l, const struct parquet_row *row, size_t *n_ids, struct err *err)
{
    if (row->is_null) {
        return err_set(err, ERR_FORMAT, "\"%s\" is null; expected a list", l->key);
    }
    if (row->null_id) {
        return err_set(err, ERR_FORMAT, "\"%s\" has a null among its ids", l->key);
    }
    int rc = begin_ids(l, row->n_ids, err);
    for (size_t i = 0; i < row->n_ids && !rc; i++) {
        rc = row->ids[i] >= 0
                 ? take_id(l, i, (uint64_t)row->ids[i], err)
                 : err_set(err, ERR_FORMAT, "id %zu is %" PRId64 "; expected a whole number from 0",
                           i, row->ids[i]);
    }
    *n_ids = rc ? 0 : row->n_ids;
    return rc;
}

static int next_row(struct idlist *l, size_t *n, struct err *err)
{
    struct parquet_row row;
    int rc = parquet_next(l->parquet, &row, err);
    if (rc || row.end) {
        l->line = parquet_rows(l->parquet) + (rc != 0);
        return rc;
    }
    l->line = parquet_rows(l->parquet);
    rc = read_row(l, &row, n, err);
    return rc ? err_prefix(err, "%s: row %" PRIu64, parquet_name(l->parquet), l->line) : 0;
}

int idlist_next(struct idlist *l, const uint32_t **ids, size_t *n, struct err *err)
{
    *n = 0;
    if (l->parquet) {
        const int failed = next_row(l, n, err);
        *ids = l->ids;
        return failed;
    }
    struct line line;
    int rc = records_next(&l->records, &line, err);
    l->line = line.number;
    l->byte = line.byte;
    if (rc || line.number == 0) {
        return rc;
    }
    struct json_object *record = NULL;
    if (line.too_long) {
        rc = err_set(err, ERR_LIMIT, "longer than %zu bytes", LINES_MAX_BYTES);
    } else {
        rc = json_parse_line(l->parser, &record, line.text, line.len, err);
    }
    if (!rc) {
        rc = read_ids(l, record, n, err);
    }
    json_object_put(record);
    if (rc) {
        return err_prefix(err, "%s: line %" PRIu64, stream_name(l->stream), line.number);
    }
    *ids = l->ids;
    return 0;
}

void idlist_tell(const struct idlist *l, uint64_t *line, uint64_t *byte)
{
    *line = l->line;
    *byte = l->parquet ? parquet_page_at(l->parquet) : l->byte;
}

bool idlist_has_rows(const struct idlist *l)
{
    return l->parquet;
}

const char *idlist_key(const struct idlist *l)
{
    return l->key;
}

uint64_t idlist_tell_raw(const struct idlist *l)
{
    return l->parquet ? parquet_tell(l->parquet) : stream_tell_raw(l->stream);
}
