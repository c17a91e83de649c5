#include "corpora/idlist.h"

#include <inttypes.h>
#include <stdlib.h>

#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "corpora/lines.h"
#include "corpora/stream.h"

struct idlist {
    struct stream *stream;
    struct lines lines;
    uint64_t line, byte; // of the last record
    struct json_parser *parser;
    size_t n_ctx, d_vocab;
    uint32_t *ids; // [cap]
    size_t cap;
};

int idlist_open(struct idlist **out, const char *path, size_t n_ctx, size_t d_vocab,
                struct err *err)
{
    struct idlist *l = mem_zero(1, sizeof *l);
    if (!l) {
        return err_nomem(err, "lists of ids");
    }
    int rc = 0;
    l->n_ctx = n_ctx;
    l->d_vocab = d_vocab;
    l->parser = json_lines_parser_new();
    if (!l->parser) {
        rc = err_nomem(err, "lists of ids");
        goto out;
    }
    rc = stream_open(&l->stream, path, err);
    if (rc) {
        goto out;
    }
    lines_begin(&l->lines, l->stream, 0);
    *out = l;
    l = NULL;
out:
    idlist_close(l);
    return rc;
}

void idlist_close(struct idlist *l)
{
    if (!l) {
        return;
    }
    lines_end(&l->lines);
    stream_close(l->stream);
    json_parser_free(l->parser);
    free(l->ids);
    free(l);
}

/* Reads the list of one record into l->ids. */
static int read_ids(struct idlist *l, struct json_object *record, size_t *n_ids, struct err *err)
{
    struct json_object *list = json_member(record, "ids");
    if (!list) {
        return err_set(err, ERR_FORMAT, "no \"ids\"; expected {\"ids\":[1,2,3]}");
    }
    if (!json_object_is_type(list, json_type_array)) {
        return err_set(err, ERR_FORMAT, "\"ids\" is %s; expected an array", json_kind(list));
    }
    const size_t n = json_object_array_length(list);
    if (n == 0) {
        return err_set(err, ERR_FORMAT, "\"ids\" is empty");
    }
    if (n > l->n_ctx) {
        return err_set(err, ERR_LIMIT, "%zu ids; a window holds at most %zu", n, l->n_ctx);
    }
    const int rc = mem_reserve(&l->ids, &l->cap, n, sizeof *l->ids, "lists of ids", err);
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
        const uint64_t value = json_object_get_uint64(id);
        if (value >= l->d_vocab || value > UINT32_MAX) {
            return err_set(err, ERR_LIMIT, "id %zu is %" PRIu64 "; the vocabulary has %zu", i,
                           value, l->d_vocab);
        }
        l->ids[i] = (uint32_t)value;
    }
    *n_ids = n;
    return 0;
}

int idlist_next(struct idlist *l, const uint32_t **ids, size_t *n, struct err *err)
{
    *n = 0;
    struct line line;
    do {
        const int rc = lines_next(&l->lines, &line, err);
        l->line = line.number;
        l->byte = line.byte;
        if (rc || line.number == 0) {
            return rc;
        }
    } while (lines_blank(&line));

    struct json_object *record = NULL;
    int rc;
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
    *byte = l->byte;
}

uint64_t idlist_tell_raw(const struct idlist *l)
{
    return stream_tell_raw(l->stream);
}
