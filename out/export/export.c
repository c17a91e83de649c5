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
    for (const struct dirent *e; (e = readdir(d));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            *empty = false;
        }
    }
    closedir(d);
    return 0;
}

static int make_folder(const char *path, struct err *err)
{
    if (mkdir(path, 0777) == 0 || file_is_folder(path)) {
        return 0;
    }
    return err_set(err, ERR_IO, "%s: %s", path,
                   errno == EEXIST ? "is there and is no folder" : strerror(errno));
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

static bool has_table(const struct view *v, const char *name, int *rc, struct err *err)
{
    char sql[128];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '%s'", name);
    return view_number(v, sql, NULL, rc, err) > 0;
}

static int begin_neurons(struct exporter *x, struct err *err)
{
    static const int64_t none[1];
    int rc = 0;
    const bool has = has_table(x->v, "neuron", &rc, err) && has_table(x->v, "bin", &rc, err);
    if (!rc &&
        (!has || view_number(x->v, "SELECT EXISTS(SELECT 1 FROM neuron)", none, &rc, err) == 0)) {
        return rc ? rc
                  : err_set(err, ERR_NOT_FOUND,
                            "%s: keeps no neurons: a scan keeps those of every model that has an "
                            "MLP, unless --no-neurons; --format csv and jsonl write the rest",
                            x->v->path);
    }
    x->has_examples = has_table(x->v, "example", &rc, err);
    x->has_effects = has_table(x->v, "effect", &rc, err);
    x->has_scores = has_table(x->v, "score", &rc, err) && has_table(x->v, "hypothesis", &rc, err);
    if (has_table(x->v, "token", &rc, err)) {
        x->token = view_query(x->v, "SELECT text FROM token WHERE id = ?1", none, &rc, err);
    }
    const int64_t bad = view_number(x->v,
                                    "SELECT count(*) FROM neuron WHERE NOT (" EXPORT_NAMED
                                    " AND model IN (SELECT id FROM model))",
                                    none, &rc, err);
    x->bad_neurons = (uint64_t)bad;
    rc = rc ? rc : bins_read(&x->bins, x->v, err);
    x->counts = mem_zero(x->bins.n, sizeof *x->counts);
    x->texts = mem_zero(TEXTS, sizeof *x->texts);
    if (!rc && (!x->counts || !x->texts)) {
        rc = err_nomem(err, "neurons");
    }
    return rc;
}

int export_begin(struct exporter *x, const struct view *v, const char *dir, bool of_neurons,
                 struct err *err)
{
    *x = (struct exporter){.v = v, .dir = dir};
    return of_neurons ? begin_neurons(x, err) : 0;
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

int export_models(struct exporter *x,
                  int (*each)(struct exporter *x, const struct export_model *m, struct err *err),
                  struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = view_query(
        x->v,
        "SELECT id, n_layers, d_mlp, name, site, weights_hash,"
        " EXISTS(SELECT 1 FROM model o WHERE o.id < m.id AND"
        "  ifnull(CAST(o.name AS BLOB), x'') = ifnull(CAST(m.name AS BLOB), x''))"
        " FROM model m WHERE EXISTS(SELECT 1 FROM neuron WHERE model = m.id) ORDER BY id",
        NULL, &rc, err);
    while (view_step(x->v, stmt, &rc, err)) {
        const char *name = view_text(stmt, 3); // before its length, which is of this form
        char *folder = export_safe_name(name, (size_t)sqlite3_column_bytes(stmt, 3),
                                        sqlite3_column_int64(stmt, 0), view_u64(stmt, 6) != 0);
        const struct export_model m = {.id = sqlite3_column_int64(stmt, 0),
                                       .n_layers = sqlite3_column_int64(stmt, 1),
                                       .d_mlp = sqlite3_column_int64(stmt, 2),
                                       .name = name,
                                       .folder = folder,
                                       .site = view_text(stmt, 4),
                                       .weights_hash = view_text(stmt, 5)};
        rc = folder ? each(x, &m, err) : err_nomem(err, "a name");
        free(folder);
    }
    sqlite3_finalize(stmt);
    return rc;
}

void export_neuron_read(struct export_neuron *n, struct exporter *x, sqlite3_stmt *row)
{
    *n = (struct export_neuron){.model = sqlite3_column_int64(row, 0),
                                .layer = sqlite3_column_int64(row, 1),
                                .index = sqlite3_column_int64(row, 2),
                                .n = view_u64(row, 3),
                                .mean = view_real(row, 4),
                                .sd = view_real(row, 5),
                                .min = view_real(row, 6),
                                .max = view_real(row, 7),
                                .share_positive = view_real(row, 8)};
    memset(x->counts, 0, x->bins.n * sizeof *x->counts);
    struct json_object *hist = view_json(row, 9);
    x->bad_json += !view_is_null(row, 9) && !json_object_is_type(hist, json_type_array);
    json_object_put(hist);
    bins_count(&x->bins, row, 9, x->counts);
}

// --- tokens ------------------------------------------------------------------------------------

/* The token's text or, without, "<ID>", to x->text as a JSON string. */
static int read_token(struct exporter *x, int64_t id, struct err *err)
{
    int rc = 0;
    uint64_t repaired;
    char number[32];
    struct buf plain = {0};
    x->text.len = 0;
    if (x->token) {
        sqlite3_reset(x->token);
        sqlite3_bind_int64(x->token, 1, id);
        if (view_step(x->v, x->token, &rc, err)) {
            const char *text = view_text(x->token, 0);
            rc = utf8_repair(&plain, text, (size_t)sqlite3_column_bytes(x->token, 0), &repaired,
                             err);
        }
    }
    if (!rc && plain.len == 0) {
        snprintf(number, sizeof number, "<%" PRId64 ">", id);
        rc = buf_append(&plain, number, strlen(number), err);
    }
    if (!rc) {
        rc = jsonw_string(&x->text, plain.data, plain.len, err);
    }
    buf_free(&plain);
    return rc ? rc : buf_append(&x->text, "", 1, err);
}

const char *export_token(struct exporter *x, int64_t id, int *rc, struct err *err)
{
    struct export_text *kept = &x->texts[(uint64_t)id % TEXTS];
    if (kept->json[0] && kept->id == id) {
        return kept->json;
    }
    if (*rc || (*rc = read_token(x, id, err)) != 0) {
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
                          const struct export_neuron *n, const char *kind, int *rc, struct err *err)
{
    char sql[320];
    *e = (struct export_examples){.x = x};
    if (!x->has_examples) {
        return;
    }
    snprintf(sql, sizeof sql,
             "SELECT kind, rank, activation, lo, hi, shard, doc, byte_start, token_index, tokens,"
             " activations FROM example WHERE model = ?1 AND layer = ?2 AND idx = ?3%s%s%s"
             " ORDER BY kind, rank",
             kind ? " AND kind = '" : "", kind ? kind : "", kind ? "'" : "");
    e->stmt = view_query(x->v, sql, (int64_t[]){n->model, n->layer, n->index}, rc, err);
}

static bool is_number(struct json_object *value)
{
    return json_object_is_type(value, json_type_int) ||
           (json_object_is_type(value, json_type_double) &&
            isfinite(json_object_get_double(value)));
}

/* Two lists of the same length, ids and numbers, and the own token among them.  *bad: not so. */
static int read_lists(struct export_examples *e, bool *bad, struct err *err)
{
    struct json_object *ids = view_json(e->stmt, 9), *acts = view_json(e->stmt, 10);
    const bool lists =
        json_object_is_type(ids, json_type_array) && json_object_is_type(acts, json_type_array);
    const size_t n = lists ? json_object_array_length(ids) : 0;
    const uint64_t at = view_u64(e->stmt, 8);
    const double own = view_real(e->stmt, 2);
    int rc = 0;
    *bad = n == 0 || json_object_array_length(acts) != n || at >= n || !isfinite(own);
    if (!*bad) {
        rc = mem_reserve(&e->ids, &e->ids_cap, n, sizeof *e->ids, "an example", err);
    }
    if (!*bad && !rc) {
        rc = mem_reserve(&e->activations, &e->activations_cap, n, sizeof *e->activations,
                         "an example", err);
    }
    for (size_t i = 0; i < n && !*bad && !rc; i++) {
        struct json_object *id = json_object_array_get_idx(ids, i);
        struct json_object *a = json_object_array_get_idx(acts, i);
        *bad = !json_object_is_type(id, json_type_int) || !is_number(a);
        e->ids[i] = json_object_get_int64(id);
        e->activations[i] = json_object_get_double(a);
    }
    json_object_put(ids);
    json_object_put(acts);
    if (!*bad && !rc) {
        e->n = n;
        e->at = (size_t)at;
        e->activations[at] = own; // the others have four digits
    }
    return rc;
}

bool export_examples_next(struct export_examples *e, int *rc, struct err *err)
{
    while (e->stmt && view_step(e->x->v, e->stmt, rc, err)) {
        bool bad = false;
        *rc = read_lists(e, &bad, err);
        if (*rc) {
            return false;
        }
        if (!bad) {
            e->kind = view_text(e->stmt, 0);
            e->rank = sqlite3_column_int64(e->stmt, 1);
            e->lo = view_real(e->stmt, 3);
            e->hi = view_real(e->stmt, 4);
            e->shard = sqlite3_column_int64(e->stmt, 5);
            e->doc = sqlite3_column_int64(e->stmt, 6);
            e->byte_start = sqlite3_column_int64(e->stmt, 7);
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
    free(e->ids);
    free(e->activations);
    *e = (struct export_examples){0};
}

void export_put_tokens(const struct export_examples *e, struct jsonout *j, const char *key, int *rc,
                       struct err *err)
{
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    for (size_t i = 0; i < e->n && !*rc; i++) {
        jsonout_raw(j, export_token(e->x, e->ids[i], rc, err));
    }
    jsonout_end(j, ']');
}

void export_put_activations(const struct export_examples *e, struct jsonout *j, const char *key)
{
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    for (size_t i = 0; i < e->n; i++) {
        jsonout_double(j, e->activations[i]);
    }
    jsonout_end(j, ']');
}
