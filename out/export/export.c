#include "out/export/export.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "corpora/base/file.h"
#include "corpora/base/jsonw.h"
#include "corpora/base/path_error.h"
#include "corpora/base/utf8_repair.h"

#define NAME_MOST 100   // bytes of a file name made of one of run.db, before its number
#define TEXTS 65536     // texts of tokens kept in memory; the toy models have 48262 tokens
#define TEXT_LONGEST 64 // bytes of those

struct export_text {
    int64_t id;
    char json[TEXT_LONGEST]; // "": nothing is kept here
};

// --- folders and names -------------------------------------------------------------------------

static int is_empty(const char *dir, bool *empty, struct err *err)
{
    DIR *d = opendir(dir);
    if (!d) {
        return err_set(err, ERR_IO, "%s: %s", dir, strerror(errno));
    }
    *empty = true;
    int rc = 0;
    for (const struct dirent *e; (e = file_entry(d, dir, &rc, err));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            *empty = false;
        }
    }
    closedir(d);
    return rc;
}

static int make_folder(const char *path, struct err *err)
{
    const int number = mkdir(path, 0777) == 0 ? 0 : errno;
    if (number == 0 || file_is_folder(path)) {
        return 0;
    }
    return number == EEXIST ? err_set(err, ERR_IO, "%s: is there and is no folder", path)
                            : path_write_error(path, number, err);
}

int export_make_dir(const char *dir, bool force, struct err *err)
{
    bool empty = true;
    if (file_is_folder(dir)) {
        const int rc = is_empty(dir, &empty, err);
        if (!rc && !empty && !force) {
            return err_set(err, ERR_MISMATCH,
                           "%s: is not empty; --force writes into it all the same, over files of "
                           "the same names, and deletes nothing",
                           dir);
        }
        return rc;
    }
    char *path = strdup(dir);
    int rc = path ? 0 : err_nomem(err, "a path");
    for (char *p = path; !rc && *p; p++) {
        if (*p == '/' && p > path) {
            *p = '\0';
            rc = make_folder(path, err);
            *p = '/';
        }
    }
    free(path);
    return rc ? rc : make_folder(dir, err);
}

int export_folder(char **path, const char *parent, const char *name, struct err *err)
{
    *path = file_join(parent, name);
    return *path ? make_folder(*path, err) : err_nomem(err, "a path");
}

char *export_safe_name(const void *name, size_t len, int64_t number, bool again)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const unsigned char *from = name;
    char *out = mem_new(NAME_MOST + 32, 1);
    size_t used = 0, i = 0;
    for (; out && i < len && used + 3 <= NAME_MOST; i++) {
        const bool leading = i == 0 && (from[i] == '.' || from[i] == '-');
        if (from[i] != '\0' && strchr(plain, from[i]) && !leading) {
            out[used++] = (char)from[i];
        } else {
            used += (size_t)snprintf(out + used, 4, "%%%02X", from[i]);
        }
    }
    if (out && (i < len || again)) { // no name that was not cut has a '%' before a '_'
        snprintf(out + used, 32, "%%_%" PRId64, number);
    } else if (out) {
        snprintf(out + used, 32, "%s", used == 0 ? "%" : "");
    }
    return out;
}

char *export_path(const char *folder, const char *name, const char *suffix, struct err *err)
{
    const size_t size = strlen(folder) + strlen(name) + strlen(suffix) + 2;
    char *path = mem_new(size, 1);
    if (path) {
        snprintf(path, size, "%s/%s%s", folder, name, suffix);
    } else {
        err_nomem(err, "a path");
    }
    return path;
}

// --- begin and end -----------------------------------------------------------------------------

static int begin_neurons(struct exporter *x)
{
    static const int64_t none[1];
    struct reader *r = x->r;
    if (reader_number(r, "SELECT EXISTS(SELECT 1 FROM neuron)", none) == 0) {
        return reader_fail(r, ERR_NOT_FOUND,
                           "%s: keeps no neurons: a scan keeps those of every model that has an "
                           "MLP, unless --no-neurons; --format csv and jsonl write the rest",
                           r->path);
    }
    x->token = reader_query(r, "SELECT text FROM token WHERE id = ?1", none);
    x->bad_neurons = (uint64_t)reader_number(r,
                                             "SELECT count(*) FROM neuron WHERE NOT (" EXPORT_NAMED
                                             " AND model IN (SELECT id FROM model))",
                                             none);
    bins_read(&x->bins, r);
    x->counts = reader_new(r, x->bins.n, sizeof *x->counts);
    x->texts = reader_new(r, TEXTS, sizeof *x->texts);
    return r->rc;
}

int export_begin(struct exporter *x, struct reader *r, const char *dir, bool of_neurons)
{
    *x = (struct exporter){.r = r, .dir = dir};
    return of_neurons ? begin_neurons(x) : 0;
}

void export_end(struct exporter *x)
{
    bins_free(&x->bins);
    free(x->counts);
    free(x->texts);
    sqlite3_finalize(x->token);
    buf_free(&x->text);
    *x = (struct exporter){0};
}

// --- models and neurons ------------------------------------------------------------------------

int export_models(struct exporter *x, int (*each)(struct exporter *x, const struct export_model *m))
{
    struct reader *r = x->r;
    sqlite3_stmt *stmt = reader_query(
        r,
        "SELECT id, n_layers, d_mlp, name, site, weights_hash,"
        " EXISTS(SELECT 1 FROM model o WHERE o.id < m.id AND"
        "  ifnull(CAST(o.name AS BLOB), x'') = ifnull(CAST(m.name AS BLOB), x''))"
        " FROM model m WHERE EXISTS(SELECT 1 FROM neuron WHERE model = m.id) ORDER BY id",
        NULL);
    while (reader_step(r, stmt)) {
        const char *name = column_text(stmt, 3); // before its length, which is of this form
        char *folder = export_safe_name(name, (size_t)sqlite3_column_bytes(stmt, 3),
                                        sqlite3_column_int64(stmt, 0), column_u64(stmt, 6) != 0);
        const struct export_model m = {.id = sqlite3_column_int64(stmt, 0),
                                       .n_layers = sqlite3_column_int64(stmt, 1),
                                       .d_mlp = sqlite3_column_int64(stmt, 2),
                                       .name = name,
                                       .folder = folder,
                                       .site = column_text(stmt, 4),
                                       .weights_hash = column_text(stmt, 5)};
        reader_take(r, folder ? each(x, &m) : err_nomem(r->err, "a name"));
        free(folder);
    }
    sqlite3_finalize(stmt);
    return r->rc;
}

void export_neuron_read(struct export_neuron *n, struct exporter *x, sqlite3_stmt *row)
{
    *n = (struct export_neuron){.model = sqlite3_column_int64(row, 0),
                                .layer = sqlite3_column_int64(row, 1),
                                .index = sqlite3_column_int64(row, 2),
                                .n = column_u64(row, 3),
                                .mean = column_real(row, 4),
                                .sd = column_real(row, 5),
                                .skewness = column_real(row, 6),
                                .kurtosis = column_real(row, 7),
                                .min = column_real(row, 8),
                                .max = column_real(row, 9),
                                .share_positive = column_real(row, 10)};
    memset(x->counts, 0, x->bins.n * sizeof *x->counts);
    struct json_object *hist = column_json(row, 11);
    x->bad_json += !column_is_null(row, 11) && !json_object_is_type(hist, json_type_array);
    json_object_put(hist);
    bins_count(&x->bins, row, 11, x->counts);
}

// --- tokens ------------------------------------------------------------------------------------

/* The token's text or, without, "<ID>", to x->text as a JSON string. */
static int read_token(struct exporter *x, int64_t id)
{
    struct reader *r = x->r;
    struct err *err = r->err;
    uint64_t repaired;
    char number[32];
    struct buf plain = {0};
    int rc = 0;
    x->text.len = 0;
    reader_again(x->token, &id);
    if (x->token && reader_step(r, x->token)) {
        const char *text = column_text(x->token, 0);
        rc = utf8_repair(&plain, text, (size_t)sqlite3_column_bytes(x->token, 0), &repaired, err);
    }
    if (!rc && plain.len == 0) {
        snprintf(number, sizeof number, "<%" PRId64 ">", id);
        rc = buf_append(&plain, number, strlen(number), err);
    }
    rc = rc ? rc : jsonw_string(&x->text, plain.data, plain.len, err);
    rc = rc ? rc : buf_append(&x->text, "", 1, err);
    buf_free(&plain);
    return reader_take(r, rc);
}

const char *export_token(struct exporter *x, int64_t id)
{
    struct export_text *kept = &x->texts[(uint64_t)id % TEXTS];
    if (kept->json[0] && kept->id == id) {
        return kept->json;
    }
    if (x->r->rc || read_token(x, id)) {
        return "\"\"";
    }
    if (x->text.len <= sizeof kept->json) {
        kept->id = id;
        memcpy(kept->json, x->text.data, x->text.len);
    }
    return x->text.data;
}

// --- examples ----------------------------------------------------------------------------------

void export_examples_open(struct export_examples *e, struct exporter *x,
                          const struct export_neuron *n, const char *kind)
{
    char sql[320];
    *e = (struct export_examples){.x = x};
    snprintf(sql, sizeof sql,
             "SELECT kind, rank, activation, lo, hi, shard, doc, byte_start, byte_end, token_index,"
             " tokens, activations, labels FROM example"
             " WHERE model = ?1 AND layer = ?2 AND idx = ?3%s%s%s ORDER BY kind, rank",
             kind ? " AND kind = '" : "", kind ? kind : "", kind ? "'" : "");
    e->stmt = reader_query(x->r, sql, (int64_t[]){n->model, n->layer, n->index});
}

static bool is_number(struct json_object *value)
{
    return json_object_is_type(value, json_type_int) ||
           (json_object_is_type(value, json_type_double) &&
            isfinite(json_object_get_double(value)));
}

/* Two lists of the same length, ids and numbers, and the own token among them.  false: not so, or
 * no memory. */
static bool read_lists(struct export_examples *e)
{
    const struct place *p = &e->row.place;
    struct reader *r = e->x->r;
    const size_t n = list_length(p->tokens);
    const uint64_t at = count_of(p->token_index);
    bool good = n > 0 && list_length(p->activations) == n && at < n && isfinite(p->activation);
    if (!good ||
        reader_take(r,
                    mem_reserve(&e->ids, &e->ids_cap, n, sizeof *e->ids, "an example", r->err)) ||
        reader_take(r, mem_reserve(&e->activations, &e->activations_cap, n, sizeof *e->activations,
                                   "an example", r->err))) {
        return false;
    }
    for (size_t i = 0; i < n && good; i++) {
        struct json_object *id = json_object_array_get_idx(p->tokens, i);
        struct json_object *a = json_object_array_get_idx(p->activations, i);
        good = json_object_is_type(id, json_type_int) && is_number(a);
        e->ids[i] = json_object_get_int64(id);
        e->activations[i] = json_object_get_double(a);
    }
    e->n = n;
    e->at = (size_t)at;
    e->activations[at] = p->activation; // the others have four digits
    return good;
}

bool export_examples_next(struct export_examples *e)
{
    struct reader *r = e->x->r;
    while (e->stmt && reader_step(r, e->stmt)) {
        row_free(&e->row, &neuron_example_kind);
        row_read(&e->row, &neuron_example_kind, r, e->stmt);
        const bool good = !r->rc && read_lists(e);
        if (r->rc) {
            return false;
        }
        if (good) {
            e->x->examples++;
            return true;
        }
        e->x->bad_examples++;
    }
    return false;
}

void export_examples_close(struct export_examples *e)
{
    sqlite3_finalize(e->stmt);
    row_free(&e->row, &neuron_example_kind);
    free(e->ids);
    free(e->activations);
    *e = (struct export_examples){0};
}

void export_write_tokens(const struct export_examples *e, struct jsonout *j, const char *key)
{
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    for (size_t i = 0; i < e->n && !e->x->r->rc; i++) {
        jsonout_raw(j, export_token(e->x, e->ids[i]));
    }
    jsonout_end(j, ']');
}

void export_write_activations(const struct export_examples *e, struct jsonout *j, const char *key)
{
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    for (size_t i = 0; i < e->n; i++) {
        jsonout_double(j, e->activations[i]);
    }
    jsonout_end(j, ']');
}
