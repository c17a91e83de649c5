#include "corpora/parquet/parquet_footer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpora/base/le.h"
#include "corpora/parquet/parquet_codec.h"
#include "corpora/parquet/parquet_schema.h"
#include "corpora/parquet/thrift.h"

// The length of a footer and PAR1, at the end of a file; and PAR1 at its beginning.
#define TAIL_BYTES ((size_t)8)
#define MAGIC_BYTES ((size_t)4)

// A longer name is cut in messages.
#define NAME_BYTES ((size_t)100)

#define ENCRYPTED                                                                                  \
    "is encrypted, and gapscope has no keys; write its text column to a file that is not"

// --- the bytes ---------------------------------------------------------------------------------

static int read_at(int fd, void *to, size_t len, uint64_t at, struct err *err)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = pread(fd, (char *)to + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? err_set(err, ERR_IO, "byte %" PRIu64 ": %s", at + done, strerror(errno))
                         : err_set(err, ERR_TRUNCATED, "byte %" PRIu64 ": it has become shorter",
                                   at + done);
        }
        done += (size_t)n;
    }
    return 0;
}

/* Reads the footer's bytes. */
static int read_bytes(struct parquet_footer *f, int fd, uint64_t file_bytes, struct err *err)
{
    unsigned char tail[TAIL_BYTES];
    if (file_bytes < TAIL_BYTES + MAGIC_BYTES) {
        return err_set(err, ERR_TRUNCATED,
                       "%" PRIu64 " bytes: a Parquet file has 12 at least; an interrupted copy?",
                       file_bytes);
    }
    int rc = read_at(fd, tail, sizeof tail, file_bytes - sizeof tail, err);
    if (rc) {
        return rc;
    }
    if (memcmp(tail + 4, "PARE", 4) == 0) {
        return err_set(err, ERR_UNSUPPORTED, "this Parquet file " ENCRYPTED);
    }
    if (memcmp(tail + 4, "PAR1", 4) != 0) {
        return err_set(err, ERR_TRUNCATED,
                       "does not end with PAR1, as a Parquet file must: an interrupted copy?");
    }
    const uint32_t len = le_u32(tail);
    if (len == 0 || len > file_bytes - TAIL_BYTES - MAGIC_BYTES) {
        return err_set(err, ERR_FORMAT,
                       "the footer of this Parquet file says that it has %" PRIu32
                       " bytes, in a file of %" PRIu64,
                       len, file_bytes);
    }
    f->begins = file_bytes - TAIL_BYTES - len;
    rc = buf_reserve(&f->bytes, len, err);
    rc = rc ? rc : read_at(fd, f->bytes.data, len, f->begins, err);
    f->bytes.len = len;
    return rc;
}

// --- the footer --------------------------------------------------------------------------------

/* Reads how many rows a row group has; the rest of it is passed over. */
static int64_t read_group_rows(struct thrift *t)
{
    struct thrift_field f = {0};
    int64_t rows = -1;
    while (thrift_next(t, &f)) {
        if (f.id == 3) {
            rows = thrift_int(t, &f);
        } else {
            thrift_skip(t, &f);
        }
    }
    return rows;
}

static int read_groups(struct parquet_footer *f, struct thrift *t, const struct thrift_field *field,
                       struct err *err)
{
    f->groups = t->at;
    f->groups_type = (int)field->type;
    const size_t n = thrift_list(t, field, THRIFT_STRUCT);
    free(f->group_rows);
    f->group_rows = mem_new(n, sizeof *f->group_rows);
    f->n_groups = 0;
    if (!f->group_rows) {
        return err_nomem(err, "row groups");
    }
    for (size_t i = 0; i < n && !t->why; i++) {
        f->group_rows[i] = read_group_rows(t);
        if (!t->why && f->group_rows[i] < 0) {
            return err_set(err, ERR_FORMAT, "row group %zu says that it has %" PRId64 " rows", i,
                           f->group_rows[i]);
        }
        f->n_groups++;
    }
    return 0;
}

/* Reads the fields of the footer; *encrypted: its columns are. */
static int read_fields(struct parquet_footer *f, struct thrift *t, int64_t *rows, bool *encrypted,
                       struct err *err)
{
    struct thrift_field field = {0};
    int rc = 0;
    while (!rc && thrift_next(t, &field)) {
        switch (field.id) {
        case 2:
            rc = parquet_schema_read(f, t, &field, err);
            break;
        case 3:
            *rows = thrift_int(t, &field);
            break;
        case 4:
            rc = read_groups(f, t, &field, err);
            break;
        case 8:
            *encrypted = true;
            thrift_skip(t, &field);
            break;
        default:
            thrift_skip(t, &field);
        }
    }
    return rc;
}

int parquet_footer_read(struct parquet_footer *out, int fd, uint64_t file_bytes, struct err *err)
{
    struct parquet_footer f = {0};
    int64_t rows = -1;
    bool encrypted = false;
    int rc = read_bytes(&f, fd, file_bytes, err);
    if (rc) {
        goto out;
    }
    const unsigned char *bytes = (const unsigned char *)f.bytes.data;
    struct thrift t = {.at = bytes, .end = bytes + f.bytes.len};
    rc = read_fields(&f, &t, &rows, &encrypted, err);
    if (rc) {
        goto out;
    }
    if (t.why) {
        rc = err_set(err, ERR_FORMAT, "the footer of this Parquet file is broken: %s", t.why);
    } else if (encrypted) {
        rc = err_set(err, ERR_UNSUPPORTED, "this Parquet file " ENCRYPTED);
    } else if (rows < 0) {
        rc = err_set(err, ERR_FORMAT, "the footer says that the file has %" PRId64 " rows", rows);
    } else if (f.n_nodes == 0) {
        rc = err_set(err, ERR_FORMAT, "the footer of this Parquet file has no schema");
    }
    if (rc) {
        goto out;
    }
    *out = f;
    return 0;
out:
    parquet_footer_free(&f);
    return rc;
}

void parquet_footer_free(struct parquet_footer *f)
{
    buf_free(&f->bytes);
    free(f->nodes);
    free(f->group_rows);
    *f = (struct parquet_footer){0};
}

// --- chunks ------------------------------------------------------------------------------------

struct chunk_fields {
    bool external, encrypted, has_metadata;
    int64_t type, codec, n_values, bytes, data, dictionary;
};

static void read_metadata(struct thrift *t, struct chunk_fields *c)
{
    struct thrift_field f = {0};
    c->has_metadata = true;
    while (thrift_next(t, &f)) {
        switch (f.id) {
        case 1:
            c->type = thrift_int(t, &f);
            break;
        case 4:
            c->codec = thrift_int(t, &f);
            break;
        case 5:
            c->n_values = thrift_int(t, &f);
            break;
        case 7:
            c->bytes = thrift_int(t, &f);
            break;
        case 9:
            c->data = thrift_int(t, &f);
            break;
        case 11:
            c->dictionary = thrift_int(t, &f);
            break;
        default:
            thrift_skip(t, &f);
        }
    }
}

static void read_chunk(struct thrift *t, struct chunk_fields *c)
{
    struct thrift_field f = {0};
    *c = (struct chunk_fields){.type = -1, .codec = -1, .n_values = -1, .bytes = -1, .data = -1};
    while (thrift_next(t, &f)) {
        if (f.id == 3 && thrift_struct(t, &f)) {
            read_metadata(t, c);
        } else {
            c->external = c->external || f.id == 1;
            c->encrypted = c->encrypted || f.id == 8 || f.id == 9;
            thrift_skip(t, &f);
        }
    }
}

static int take_chunk(const struct parquet_footer *f, size_t node, const struct chunk_fields *c,
                      struct parquet_chunk *out, struct err *err)
{
    if (c->encrypted) {
        return err_set(err, ERR_UNSUPPORTED, "this column " ENCRYPTED);
    }
    if (c->external) {
        return err_set(err, ERR_UNSUPPORTED,
                       "this column lies in another file, which gapscope never opens");
    }
    if (!c->has_metadata) {
        return err_set(err, ERR_FORMAT, "the footer does not say where this column lies");
    }
    if (c->type != f->nodes[node].type) {
        return err_set(err, ERR_FORMAT, "the chunk is of type %lld, the schema says type %d",
                       (long long)c->type, f->nodes[node].type);
    }
    if (c->n_values < 0) {
        return err_set(err, ERR_FORMAT, "the chunk says that it has %lld values",
                       (long long)c->n_values);
    }
    const int64_t begins = c->dictionary > 0 && c->dictionary < c->data ? c->dictionary : c->data;
    if (begins < (int64_t)MAGIC_BYTES || c->bytes < 0 || (uint64_t)begins > f->begins ||
        (uint64_t)c->bytes > f->begins - (uint64_t)begins) {
        return err_set(err, ERR_FORMAT,
                       "the chunk lies at byte %lld and has %lld bytes: outside the file's data",
                       (long long)begins, (long long)c->bytes);
    }
    *out = (struct parquet_chunk){.codec = c->codec,
                                  .begins = (uint64_t)begins,
                                  .ends = (uint64_t)(begins + c->bytes),
                                  .n_values = c->n_values};
    return parquet_codec_check(c->codec, err);
}

/* Puts the column's name and the row group in front. */
static int prefix_column(const struct parquet_footer *f, size_t node, size_t group, struct err *err)
{
    struct buf path = {0};
    if (parquet_footer_path(f, node, &path, NULL) == 0) {
        err_prefix(err, "column %.*s, row group %zu", (int)path.len, path.data, group);
    }
    buf_free(&path);
    return (int)err->code;
}

/* Reads the list of a row group's chunks; those of nodes[n] become chunks[n]. */
static int read_chunks(const struct parquet_footer *f, struct thrift *t,
                       const struct thrift_field *field, size_t group, const size_t *nodes,
                       size_t n, struct parquet_chunk *chunks, struct err *err)
{
    const size_t n_chunks = thrift_list(t, field, THRIFT_STRUCT);
    int rc = 0;
    if (!t->why && n_chunks != f->n_leaves) {
        return err_set(err, ERR_FORMAT, "row group %zu has %zu columns, the schema has %zu", group,
                       n_chunks, f->n_leaves);
    }
    for (size_t i = 0; i < n_chunks && !t->why && !rc; i++) {
        struct chunk_fields c;
        read_chunk(t, &c);
        for (size_t k = 0; k < n && !t->why && !rc; k++) {
            if (f->nodes[nodes[k]].leaf == i) {
                rc = take_chunk(f, nodes[k], &c, &chunks[k], err);
                rc = rc ? prefix_column(f, nodes[k], group, err) : 0;
            }
        }
    }
    return rc;
}

/* Reads a row group. */
static int read_group(const struct parquet_footer *f, struct thrift *t, size_t group,
                      const size_t *nodes, size_t n, struct parquet_chunk *chunks, struct err *err)
{
    struct thrift_field field = {0};
    bool any = false;
    int rc = 0;
    while (!rc && thrift_next(t, &field)) {
        if (field.id == 1) {
            any = true;
            rc = read_chunks(f, t, &field, group, nodes, n, chunks, err);
        } else {
            thrift_skip(t, &field);
        }
    }
    return rc || any || t->why ? rc
                               : err_set(err, ERR_FORMAT, "row group %zu has no columns", group);
}

int parquet_footer_chunks(const struct parquet_footer *f, const size_t *nodes, size_t n,
                          struct parquet_chunk **chunks, struct err *err)
{
    size_t all;
    struct parquet_chunk *found =
        mem_mul(f->n_groups, n, &all) ? mem_zero(all, sizeof *found) : NULL;
    if (!found) {
        return err_nomem(err, "row groups");
    }
    const struct thrift_field list = {.id = 4, .type = (enum thrift_type)f->groups_type};
    struct thrift t = {.at = f->groups, .end = (const unsigned char *)f->bytes.data + f->bytes.len};
    const size_t n_groups = f->groups ? thrift_list(&t, &list, THRIFT_STRUCT) : 0;
    int rc = 0;
    for (size_t g = 0; g < n_groups && !rc && !t.why; g++) {
        rc = read_group(f, &t, g, nodes, n, found + g * n, err);
    }
    if (!rc && t.why) {
        rc = err_set(err, ERR_FORMAT, "the footer of this Parquet file is broken: %s", t.why);
    }
    if (rc) {
        free(found);
        return rc;
    }
    *chunks = found;
    return 0;
}

// --- names -------------------------------------------------------------------------------------

/* The node behind 'node' and all that is below it. */
static size_t behind(const struct parquet_footer *f, size_t node)
{
    size_t at = node + 1;
    for (size_t left = f->nodes[node].n_children; left > 0; left--) {
        left += f->nodes[at].n_children;
        at++;
    }
    return at;
}

/* Finds path[len] among the children of 'group'. */
static size_t find_below(const struct parquet_footer *f, size_t group, const char *path, size_t len)
{
    size_t child = group + 1, found = SIZE_MAX;
    for (size_t i = 0; i < f->nodes[group].n_children && found == SIZE_MAX; i++) {
        const struct parquet_node *node = &f->nodes[child];
        if (node->name_len == len && memcmp(node->name, path, len) == 0) {
            return child;
        }
        if (node->n_children > 0 && node->name_len < len && path[node->name_len] == '.' &&
            memcmp(node->name, path, node->name_len) == 0) {
            found = find_below(f, child, path + node->name_len + 1, len - node->name_len - 1);
        }
        child = behind(f, child);
    }
    return found;
}

size_t parquet_footer_find(const struct parquet_footer *f, const char *path)
{
    return find_below(f, 0, path, strlen(path));
}

int parquet_footer_path(const struct parquet_footer *f, size_t node, struct buf *out,
                        struct err *err)
{
    size_t path[PARQUET_SCHEMA_DEPTH], n = 0;
    for (size_t at = node; at != SIZE_MAX && at != 0 && n < PARQUET_SCHEMA_DEPTH;
         at = f->nodes[at].parent) {
        path[n++] = at;
    }
    int rc = 0;
    while (n-- > 0 && !rc) {
        const struct parquet_node *at = &f->nodes[path[n]];
        const size_t len = at->name_len < NAME_BYTES ? at->name_len : NAME_BYTES;
        rc = buf_append(out, at->name, len, err);
        rc = rc || n == 0 ? rc : buf_append(out, ".", 1, err);
    }
    return rc;
}

size_t parquet_footer_items(const struct parquet_footer *f, size_t node, unsigned *definition)
{
    const struct parquet_node *list = &f->nodes[node];
    if (!list->is_list || list->n_children != 1 || list->repetition == 2) {
        return SIZE_MAX;
    }
    const struct parquet_node *repeated = &f->nodes[node + 1];
    if (repeated->repetition != 2 || repeated->n_children != 1) {
        return SIZE_MAX;
    }
    const struct parquet_node *item = &f->nodes[node + 2];
    *definition = list->max_definition;
    return item->n_children == 0 && item->repetition != 2 ? node + 2 : SIZE_MAX;
}

static const char *type_name(const struct parquet_node *column)
{
    static const char *const names[PARQUET_N_TYPES] = {
        "BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "string", "fixed bytes"};
    return column->is_decimal ? "DECIMAL" : names[column->type];
}

void parquet_footer_kind(const struct parquet_footer *f, size_t node, char *out, size_t size)
{
    const struct parquet_node *n = &f->nodes[node];
    unsigned definition;
    const size_t items = parquet_footer_items(f, node, &definition);
    if (items != SIZE_MAX) {
        snprintf(out, size, "list of %s", type_name(&f->nodes[items]));
    } else if (n->n_children > 0) {
        snprintf(out, size, n->is_list ? "list" : "group");
    } else {
        snprintf(out, size, "%s%s", n->repetition == 2 ? "repeated " : "", type_name(n));
    }
}

int parquet_footer_list(const struct parquet_footer *f, struct buf *out, struct err *err)
{
    const size_t begins = out->len;
    int rc = 0;
    for (size_t i = 1; i < f->n_nodes && !rc;) {
        const struct parquet_node *n = &f->nodes[i];
        char kind[64];
        parquet_footer_kind(f, i, kind, sizeof kind);
        if (n->n_children > 0 && !n->is_list) {
            i++; // its members are listed
            continue;
        }
        if (out->len - begins > 300) {
            return buf_append(out, ", ...", 5, err);
        }
        rc = out->len > begins ? buf_append(out, ", ", 2, err) : 0;
        rc = rc ? rc : parquet_footer_path(f, i, out, err);
        rc = rc ? rc : buf_printf(out, err, " (%s)", kind);
        i = behind(f, i);
    }
    return rc;
}
