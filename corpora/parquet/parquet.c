#include "corpora/parquet/parquet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/path_error.h"
#include "corpora/parquet/parquet_column.h"
#include "corpora/parquet/parquet_footer.h"

// One for the text or ids, and at most four for the domain.
#define COLUMNS_MAX 5

struct parquet {
    char *path;
    int fd;
    uint64_t bytes;
    struct parquet_footer footer;
    bool ids;
    const char *field; // the column's name, as it was asked for

    size_t nodes[COLUMNS_MAX]; // [n_columns], of the first the text or the ids
    size_t n_columns;
    struct parquet_column *columns[COLUMNS_MAX];
    struct parquet_chunk *chunks; // [n_groups][n_columns]
    bool is_list;                 // the first column holds lists
    unsigned list_definition;     // the definition level of a list that is there

    size_t group;      // the next one to begin
    int64_t rows_left; // of the current one
    uint64_t n_rows;   // read
    uint64_t told;     // the greatest parquet_tell() so far
    struct err failed; // how the reading ended
    bool ahead;        // of a list column: 'first' has been read and not been used
    struct parquet_value first;
    struct buf joined; // the text of a list
    int64_t *items;    // [n_items], of a list of ids
    size_t n_items, items_cap;
};

// --- what it is --------------------------------------------------------------------------------

bool parquet_is(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) { // a pipe's writer would see it opened
        return false;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return false;
    }
    bool is = false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        char magic[4];
        const ssize_t n = pread(fd, magic, sizeof magic, 0);
        is = n == 0 ? file_ends_with(path, ".parquet")
                    : n == 4 && (memcmp(magic, "PAR1", 4) == 0 || memcmp(magic, "PARE", 4) == 0);
    }
    close(fd);
    return is;
}

static int open_file(struct parquet *p, struct err *err)
{
    p->fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (p->fd < 0) {
        return path_read_error(p->path, errno, err);
    }
    struct stat st;
    if (fstat(p->fd, &st) != 0) {
        return err_set(err, ERR_IO, "%s: %s", p->path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(err, ERR_IO, "%s: is not a regular file; Parquet is read from its end",
                       p->path);
    }
    p->bytes = (uint64_t)st.st_size;
    const int rc = parquet_footer_read(&p->footer, p->fd, p->bytes, err);
    return rc ? err_prefix(err, "%s", p->path) : 0;
}

// --- choosing the columns ----------------------------------------------------------------------

static bool is_number(int type)
{
    return type == PARQUET_INT32 || type == PARQUET_INT64;
}

/* Whether the node holds texts, or ids; *leaf: its column. */
static bool holds(const struct parquet_footer *f, size_t node, bool ids, size_t *leaf,
                  bool *is_list, unsigned *definition)
{
    const size_t items = parquet_footer_items(f, node, definition);
    *is_list = items != SIZE_MAX;
    *leaf = *is_list ? items : node;
    const struct parquet_node *n = &f->nodes[*leaf];
    return n->n_children == 0 && n->max_repetition == (*is_list ? 1U : 0U) && !n->is_decimal &&
           (ids ? is_number(n->type) : n->type == PARQUET_BYTE_ARRAY);
}

/* Refuses: 'what' is wrong, and the columns are these. */
static int refuse(const struct parquet *p, const char *what, const char *way, struct err *err)
{
    struct buf columns = {0};
    int rc = parquet_footer_list(&p->footer, &columns, err);
    if (!rc) {
        rc = err_set(err, ERR_UNSUPPORTED, "%s: %s; its columns are %.*s%s", p->path, what,
                     (int)columns.len, columns.len ? columns.data : "", way);
    }
    buf_free(&columns);
    return rc;
}

static int refuse_named(const struct parquet *p, const char *option, const char *name, size_t node,
                        const char *expected, struct err *err)
{
    char what[400], kind[64];
    if (node == SIZE_MAX) {
        snprintf(what, sizeof what, "there is no column \"%s\" (--%s)", name, option);
    } else {
        parquet_footer_kind(&p->footer, node, kind, sizeof kind);
        snprintf(what, sizeof what, "column \"%s\" (%s) is not what --%s takes, %s", name, kind,
                 option, expected);
    }
    return refuse(p, what, "", err);
}

static void take_first(struct parquet *p, const char *name, bool ids, size_t leaf)
{
    p->field = name;
    p->ids = ids;
    p->nodes[0] = leaf;
    p->n_columns = 1;
}

/* Finds the column with the texts or ids under its usual names. */
static bool find_usual(struct parquet *p, bool ids)
{
    static const char *const names[2][3] = {{"text", "content", "code"},
                                            {"ids", "input_ids", "tokens"}};
    for (size_t i = 0; i < 3; i++) {
        size_t leaf;
        const size_t node = parquet_footer_find(&p->footer, names[ids][i]);
        if (node != SIZE_MAX &&
            holds(&p->footer, node, ids, &leaf, &p->is_list, &p->list_definition)) {
            take_first(p, names[ids][i], ids, leaf);
            return true;
        }
    }
    return false;
}

static int find_first(struct parquet *p, const struct parquet_options *o, struct err *err)
{
    const bool texts = o->want != PARQUET_IDS, ids = o->want != PARQUET_TEXTS;
    if (!o->field) {
        if ((texts && find_usual(p, false)) || (ids && find_usual(p, true))) {
            return 0;
        }
        return refuse(p,
                      texts ? "no column \"text\", \"content\" or \"code\" of strings"
                            : "no column \"ids\", \"input_ids\" or \"tokens\" of lists of numbers",
                      "; --field NAME takes another", err);
    }
    const size_t node = parquet_footer_find(&p->footer, o->field);
    size_t leaf;
    for (int as_ids = texts ? 0 : 1; node != SIZE_MAX && as_ids <= (ids ? 1 : 0); as_ids++) {
        if (holds(&p->footer, node, as_ids, &leaf, &p->is_list, &p->list_definition)) {
            take_first(p, o->field, as_ids, leaf);
            return 0;
        }
    }
    return refuse_named(p, "field", o->field, node, texts ? "strings" : "lists of INT32 or INT64",
                        err);
}

static int find_domains(struct parquet *p, const struct parquet_options *o, struct err *err)
{
    static const char *const usual[COLUMNS_MAX - 1] = {"meta.pile_set_name", "meta.set", "source",
                                                       "meta.redpajama_set_name"};
    for (size_t i = 0; i < (o->domain ? 1 : COLUMNS_MAX - 1); i++) {
        const char *name = o->domain ? o->domain : usual[i];
        const size_t node = parquet_footer_find(&p->footer, name);
        size_t leaf;
        bool is_list;
        unsigned definition;
        const bool found = node != SIZE_MAX &&
                           holds(&p->footer, node, false, &leaf, &is_list, &definition) && !is_list;
        if (found) {
            p->nodes[p->n_columns++] = leaf;
        } else if (o->domain) {
            return refuse_named(p, "domain", name, node, "strings", err);
        }
    }
    return 0;
}

static int open_columns(struct parquet *p, struct err *err)
{
    int rc = parquet_footer_chunks(&p->footer, p->nodes, p->n_columns, &p->chunks, err);
    rc = rc ? err_prefix(err, "%s", p->path) : 0;
    for (size_t i = 0; i < p->n_columns && !rc; i++) {
        rc = column_open(&p->columns[i], &p->footer, p->nodes[i], p->fd, err);
    }
    return rc;
}

// --- rows --------------------------------------------------------------------------------------

/* Puts the place in front of the message. */
static int at_column(const struct parquet *p, size_t i, struct err *err)
{
    const int rc = (int)err->code;
    struct buf path = {0};
    if (parquet_footer_path(&p->footer, p->nodes[i], &path, NULL) == 0) {
        err_prefix(err, "%s: column %.*s, row group %zu, byte %llu", p->path, (int)path.len,
                   path.len ? path.data : "", p->group - 1,
                   (unsigned long long)column_page(p->columns[i]));
    }
    buf_free(&path);
    return rc;
}

static int next_value(struct parquet *p, size_t i, struct parquet_value *v, struct err *err)
{
    const int rc = column_next(p->columns[i], v, err);
    return rc ? at_column(p, i, err) : 0;
}

static int wrong_rows(const struct parquet *p, size_t i, const char *what, struct err *err)
{
    err_set(err, ERR_CORRUPT, "%s rows than the %lld that the row group says", what,
            (long long)p->footer.group_rows[p->group - 1]);
    return at_column(p, i, err);
}

/* Reads the first value of a list column ahead: whether it has another row. */
static int look_ahead(struct parquet *p, struct err *err)
{
    if (p->ahead) {
        return 0;
    }
    const int rc = next_value(p, 0, &p->first, err);
    p->ahead = !rc;
    return rc;
}

/* Goes to the next row group that has rows; p->rows_left stays 0 if there is none. */
static int begin_group(struct parquet *p, struct err *err)
{
    while (p->rows_left == 0 && p->group < p->footer.n_groups) {
        const size_t g = p->group++;
        p->rows_left = p->footer.group_rows[g];
        p->ahead = false;
        for (size_t i = 0; i < p->n_columns; i++) {
            const struct parquet_chunk *chunk = &p->chunks[g * p->n_columns + i];
            column_begin(p->columns[i], chunk);
            const bool flat = i > 0 || !p->is_list;
            if (flat && chunk->n_values != p->rows_left) {
                return wrong_rows(p, i, chunk->n_values > p->rows_left ? "more" : "fewer", err);
            }
        }
        if (p->is_list) {
            const int rc = look_ahead(p, err);
            if (rc) {
                return rc;
            }
        }
    }
    return 0;
}

/* Adds an item of a list to the row. */
static int add_item(struct parquet *p, const struct parquet_value *v, struct parquet_row *row,
                    struct err *err)
{
    const bool is_null = v->definition < p->footer.nodes[p->nodes[0]].max_definition;
    if (!p->ids) {
        row->is_null = row->is_null || is_null;
        int rc = p->n_items > 0 ? buf_append(&p->joined, "\n\n", 2, err) : 0;
        p->n_items++;
        return rc || is_null ? rc : buf_append(&p->joined, v->text, v->len, err);
    }
    const int rc = mem_reserve(&p->items, &p->items_cap, p->n_items + 1, sizeof *p->items,
                               "lists of ids", err);
    if (rc) {
        return rc;
    }
    row->null_id = row->null_id || is_null;
    p->items[p->n_items++] = v->number;
    return 0;
}

/* Reads a row of a list column. */
static int next_list(struct parquet *p, struct parquet_row *row, struct err *err)
{
    int rc = look_ahead(p, err);
    if (rc) {
        return rc;
    }
    if (p->first.end) {
        return wrong_rows(p, 0, "fewer", err);
    }
    if (p->first.repetition != 0) {
        err_set(err, ERR_CORRUPT, "the first value of a row continues a list");
        return at_column(p, 0, err);
    }
    p->n_items = 0;
    p->joined.len = 0;
    row->is_null = p->first.definition < p->list_definition;
    bool more = true;
    while (more && !rc) {
        if (p->first.definition > p->list_definition) {
            rc = add_item(p, &p->first, row, err);
        }
        p->ahead = false;
        rc = rc ? rc : look_ahead(p, err);
        more = !rc && !p->first.end && p->first.repetition > 0;
    }
    row->ids = p->items;
    row->n_ids = p->ids ? p->n_items : 0;
    row->text = p->joined.len ? p->joined.data : "";
    row->len = p->joined.len;
    return rc;
}

/* Reads a row of a column that is no list. */
static int next_single(struct parquet *p, struct parquet_row *row, struct err *err)
{
    struct parquet_value v;
    const int rc = next_value(p, 0, &v, err);
    if (rc) {
        return rc;
    }
    row->is_null = v.definition < p->footer.nodes[p->nodes[0]].max_definition;
    row->text = row->is_null ? "" : v.text;
    row->len = v.len;
    if (p->ids && !row->is_null) {
        p->first = v;
        row->ids = &p->first.number;
        row->n_ids = 1;
    }
    return 0;
}

static int next_row(struct parquet *p, struct parquet_row *row, struct err *err)
{
    int rc = begin_group(p, err);
    row->end = p->rows_left == 0;
    if (rc || row->end) {
        return rc;
    }
    rc = p->is_list ? next_list(p, row, err) : next_single(p, row, err);
    for (size_t i = 1; i < p->n_columns && !rc; i++) {
        struct parquet_value v;
        rc = next_value(p, i, &v, err);
        if (!rc && !row->domain && v.len > 0) {
            row->domain = v.text;
            row->domain_len = v.len;
        }
    }
    if (!rc && --p->rows_left == 0 && p->is_list) {
        rc = look_ahead(p, err);
        rc = rc || p->first.end ? rc : wrong_rows(p, 0, "more", err);
    }
    return rc;
}

int parquet_next(struct parquet *p, struct parquet_row *row, struct err *err)
{
    *row = (struct parquet_row){0};
    if (!p->failed.code) {
        const int rc = next_row(p, row, &p->failed);
        const uint64_t tell = p->columns[0] ? column_tell(p->columns[0]) : 0;
        p->told = tell > p->told ? tell : p->told;
        p->n_rows += !rc && !row->end;
        if (rc && rc != (int)p->failed.code) {
            err_set(&p->failed, (enum err_code)rc, "%s", p->path);
        }
    }
    if (p->failed.code) {
        err_set(err, p->failed.code, "%s", p->failed.msg);
        *row = (struct parquet_row){0};
    }
    return (int)p->failed.code;
}

// --- opening -----------------------------------------------------------------------------------

/* Reads the first pages, so that what cannot be read is refused before the work begins. */
static int try_first(struct parquet *p, struct err *err)
{
    struct parquet_value v;
    struct err why = {0};
    int rc = begin_group(p, &why);
    for (size_t i = p->is_list ? 1 : 0; i < p->n_columns && !rc && p->rows_left > 0; i++) {
        rc = next_value(p, i, &v, &why);
    }
    if (rc && rc != ERR_CORRUPT && rc != ERR_TRUNCATED) {
        return err_set(err, rc, "%s", why.msg);
    }
    p->group = 0; // from the beginning
    p->rows_left = 0;
    p->ahead = false;
    return 0;
}

int parquet_open(struct parquet **out, const char *path, const struct parquet_options *options,
                 struct err *err)
{
    struct err unread; // err may be NULL
    err = err ? err : &unread;
    struct parquet *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "a Parquet file");
    }
    int rc = 0;
    p->fd = -1;
    p->path = strdup(path);
    if (!p->path) {
        rc = err_nomem(err, "a path");
        goto out;
    }
    if ((options->field && !*options->field) || (options->domain && !*options->domain)) {
        rc = err_set(err, ERR_USAGE, "%s \"\": a name must not be empty",
                     options->field && !*options->field ? "field" : "domain");
        goto out;
    }
    rc = open_file(p, err);
    rc = rc ? rc : find_first(p, options, err);
    rc = rc ? rc : find_domains(p, options, err);
    rc = rc ? rc : open_columns(p, err);
    rc = rc ? rc : try_first(p, err);
    if (rc) {
        goto out;
    }
    *out = p;
    p = NULL;
out:
    parquet_close(p);
    return rc;
}

void parquet_close(struct parquet *p)
{
    if (!p) {
        return;
    }
    for (size_t i = 0; i < p->n_columns; i++) {
        column_close(p->columns[i]);
    }
    if (p->fd >= 0) {
        close(p->fd);
    }
    parquet_footer_free(&p->footer);
    buf_free(&p->joined);
    free(p->chunks);
    free(p->items);
    free(p->path);
    free(p);
}

bool parquet_has_ids(const struct parquet *p)
{
    return p->ids;
}

const char *parquet_name(const struct parquet *p)
{
    return p->path;
}

const char *parquet_field(const struct parquet *p)
{
    return p->field;
}

uint64_t parquet_rows(const struct parquet *p)
{
    return p->n_rows;
}

uint64_t parquet_page_at(const struct parquet *p)
{
    return column_page(p->columns[0]);
}

uint64_t parquet_tell(const struct parquet *p)
{
    return p->told < p->bytes ? p->told : p->bytes;
}

uint64_t parquet_bytes(const struct parquet *p)
{
    return p->bytes;
}
