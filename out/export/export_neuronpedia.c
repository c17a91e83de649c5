/*
 * neuronpedia: the files that Neuronpedia's public data sets consist of and its importer reads
 *
 *     DIR/v1/MODEL/LAYER-gapscope-SITE/            a "source"
 *         model.jsonl  sourceset.jsonl  source.jsonl
 *         features/batch-0.jsonl.gz                a line a neuron, 256 neurons a batch
 *         activations/batch-0.jsonl.gz             a line an example
 *         explanations/batch-0.jsonl.gz            a line a neuron: its best hypothesis
 *
 * The importer takes the columns from a file's first line, so all lines have the same keys; and it
 * fails at an empty file, so there is none.  Files are written one after the other, since of one
 * alone the temporary file is removed when a signal ends the program.
 */
#include "out/export/export.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zlib.h>

#include "corpora/base/file.h"

#define BATCH 256 // neurons: some 20 MB of activations, which the importer holds at once
#define BARS 50   // of a histogram, as theirs have
#define CREATOR "clkht01d40000jv08hvalcvly" // the user that every copy of Neuronpedia has

// --- a gzip file that appears when it is whole --------------------------------------------------

struct gz {
    struct outfile out;
    gzFile file;
    FILE *to; // what is written here is compressed
    uint64_t lines;
};

static ssize_t compress_some(void *cookie, const char *data, size_t len)
{
    const size_t some = len < 1 << 20 ? len : 1 << 20; // gzwrite() takes an unsigned
    return gzwrite(cookie, data, (unsigned)some);
}

static int gz_open(struct gz *z, const char *path, struct err *err)
{
    *z = (struct gz){0};
    const int rc = outfile_open(&z->out, path, err);
    if (rc) {
        return rc;
    }
    const int fd = dup(fileno(z->out.stream));
    z->file = fd < 0 ? NULL : gzdopen(fd, "wb");
    z->to =
        z->file ? fopencookie(z->file, "w", (cookie_io_functions_t){.write = compress_some}) : NULL;
    if (!z->file && fd >= 0) {
        close(fd);
    }
    return z->to ? 0 : err_nomem(err, path);
}

/* Gives the file its name if rc is 0 and there is a line in it.  Returns rc or its own error. */
static int gz_close(struct gz *z, struct exporter *x, int rc, struct err *err)
{
    errno = 0;
    const bool failed = z->to && fclose(z->to) != 0;
    const bool failed_too = z->file && gzclose(z->file) != Z_OK;
    if (!rc && (failed || failed_too)) {
        rc =
            err_set(err, ERR_IO, "%s: %s", z->out.path, errno ? strerror(errno) : "writing failed");
    }
    if (!rc && z->lines > 0) {
        rc = outfile_commit(&z->out, err);
        x->files += !rc;
    }
    outfile_discard(&z->out);
    return rc;
}

// --- what is being written ---------------------------------------------------------------------

struct source {
    struct exporter *x;
    const struct export_model *m;
    int64_t layer;
    char set[64]; // "gapscope-post"
    char id[96];  // "0-gapscope-post"
    char *folder;
    char *run; // tells this run from others
    // the batch in hand
    int64_t number;
    int64_t neurons[BATCH]; // [n] their indices
    size_t n;
};

static void member_text(struct jsonout *j, const char *key, const char *text)
{
    jsonout_key(j, key);
    view_json_text(j, text);
}

static void member_raw(struct jsonout *j, const char *key, const char *json)
{
    jsonout_key(j, key);
    jsonout_raw(j, json);
}

static void member_real(struct jsonout *j, const char *key, double value)
{
    jsonout_key(j, key);
    jsonout_double(j, value);
}

static void member_int(struct jsonout *j, const char *key, int64_t value)
{
    jsonout_key(j, key);
    jsonout_i64(j, value);
}

/* The members by which a line is of a neuron.  Their index is a text. */
static void put_place(const struct source *s, struct jsonout *j, int64_t index)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, index);
    member_text(j, "modelId", s->m->folder);
    member_text(j, "layer", s->id);
    member_text(j, "index", text);
}

/* 25 characters like theirs: the same for the same row of the same run, so that what is imported
 * twice is there once. */
static void put_id(const struct source *s, struct jsonout *j, int64_t index, const char *kind,
                   int64_t rank)
{
    char *text = NULL, id[32];
    const int len = asprintf(&text, "%s|%s|%" PRId64 "|%" PRId64 "|%s|%" PRId64, s->run,
                             s->m->weights_hash, s->layer, index, kind, rank);
    const XXH128_hash_t h = XXH3_128bits(text, len < 0 ? 0 : (size_t)len);
    snprintf(id, sizeof id, "c%016" PRIx64 "%08" PRIx32, (uint64_t)h.low64, (uint32_t)h.high64);
    member_text(j, "id", id);
    if (len >= 0) {
        free(text);
    }
}

// --- features ----------------------------------------------------------------------------------

/* Tokens above 0 in bars of equal width up to the greatest activation; a bin's tokens are spread
 * evenly over it.  heights: [BARS], whole numbers whose sum is that of the bins'. */
static void fill_bars(const struct exporter *x, double max, uint64_t heights[BARS])
{
    uint64_t before = 0;
    for (size_t k = 0; k < BARS; k++) {
        const double edge = max * (double)(k + 1) / BARS;
        double below = 0; // tokens in (0, edge]
        for (size_t i = 0; i < x->bins.n; i++) {
            const double lo = x->bins.items[i].lo, hi = fmin(x->bins.items[i].hi, max);
            if (lo >= 0) { // not NaN
                const double share = hi > lo ? (edge - lo) / (hi - lo) : edge >= lo;
                below += (double)x->counts[i] * fmin(fmax(share, 0), 1);
            }
        }
        const double up_to = fmin(below + 0.5, 9e18); // what is damaged may be more
        heights[k] = (uint64_t)up_to > before ? (uint64_t)up_to - before : 0;
        before += heights[k];
    }
}

static void put_bars(const struct exporter *x, struct jsonout *j, double max)
{
    uint64_t heights[BARS];
    const size_t n = max > 0 && isfinite(max) ? BARS : 0;
    if (n > 0) {
        fill_bars(x, max, heights);
    }
    jsonout_key(j, "freq_hist_data_bar_heights");
    jsonout_begin(j, '[');
    for (size_t k = 0; k < n; k++) {
        jsonout_u64(j, heights[k]);
    }
    jsonout_end(j, ']');
    jsonout_key(j, "freq_hist_data_bar_values"); // their middles
    jsonout_begin(j, '[');
    for (size_t k = 0; k < n; k++) {
        jsonout_double(j, max * ((double)k + 0.5) / BARS);
    }
    jsonout_end(j, ']');
}

/* "pos_str": [...], "pos_values": [...] of a kind of effect. */
static int put_effects(const struct source *s, struct jsonout *j, const struct export_neuron *n,
                       const char *kind, const char *texts, const char *values, struct err *err)
{
    int rc = 0;
    char sql[192];
    snprintf(sql, sizeof sql,
             "SELECT token, value FROM effect WHERE model = ?1 AND layer = ?2 AND idx = ?3 AND"
             " kind = '%s' AND abs(value) < 1e300 ORDER BY rank",
             kind);
    for (int column = 0; column < 2; column++) {
        sqlite3_stmt *stmt =
            s->x->has_effects
                ? view_query(s->x->v, sql, (int64_t[]){n->model, n->layer, n->index}, &rc, err)
                : NULL;
        jsonout_key(j, column == 0 ? texts : values);
        jsonout_begin(j, '[');
        while (stmt && view_step(s->x->v, stmt, &rc, err)) {
            if (column == 0) {
                jsonout_raw(j, export_token(s->x, sqlite3_column_int64(stmt, 0), &rc, err));
            } else {
                jsonout_double(j, view_real(stmt, 1));
            }
        }
        jsonout_end(j, ']');
        sqlite3_finalize(stmt);
    }
    return rc;
}

static int put_feature(const struct source *s, FILE *to, const struct export_neuron *n,
                       struct err *err)
{
    static const char *const empty[] = {"logits_hist_data_bar_heights",
                                        "logits_hist_data_bar_values",
                                        "neuron_alignment_indices",
                                        "neuron_alignment_values",
                                        "neuron_alignment_l1",
                                        "correlated_neurons_indices",
                                        "correlated_neurons_pearson",
                                        "correlated_neurons_l1",
                                        "decoder_weights_dist",
                                        "topkCosSimIndices",
                                        "topkCosSimValues",
                                        "vector"};
    struct jsonout j = {.to = to};
    char hook[64];
    jsonout_begin(&j, '{');
    put_place(s, &j, n->index);
    member_text(&j, "sourceSetName", s->set);
    member_text(&j, "creatorId", CREATOR);
    member_real(&j, "maxActApprox", n->max);
    member_real(&j, "frac_nonzero", isfinite(n->share_positive) ? n->share_positive : 0);
    put_bars(s->x, &j, n->max);
    int rc = put_effects(s, &j, n, "output_top", "pos_str", "pos_values", err);
    if (!rc) {
        rc = put_effects(s, &j, n, "output_bottom", "neg_str", "neg_values", err);
    }
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        member_raw(&j, empty[i], "[]");
    }
    snprintf(hook, sizeof hook, "blocks.%" PRId64 ".mlp.hook_%.16s", s->layer, s->m->site);
    member_text(&j, "hookName", hook);
    member_raw(&j, "hasVector", "false");
    member_raw(&j, "vectorLabel", "null");
    member_raw(&j, "vectorDefaultSteerStrength", "null");
    jsonout_end(&j, '}');
    return rc;
}

// --- activations -------------------------------------------------------------------------------

/* The share of all tokens whose activation is in the interval of an example. */
static double share_of(const struct exporter *x, const struct export_examples *e)
{
    double inside = 0, total = 0;
    for (size_t i = 0; i < x->bins.n; i++) {
        const struct bin *b = &x->bins.items[i];
        const bool above = isnan(e->lo) || b->lo >= e->lo, below = isnan(e->hi) || b->hi <= e->hi;
        inside += above && below ? (double)x->counts[i] : 0;
        total += (double)x->counts[i];
    }
    return total > 0 ? inside / total : NAN;
}

/* What is shown together: an interval, or theirs for the strongest (-1 to the maximum), or none. */
static void put_interval(const struct exporter *x, struct jsonout *j, const struct export_neuron *n,
                         const struct export_examples *e)
{
    const bool interval = strcmp(e->kind, "interval") == 0, top = strcmp(e->kind, "top") == 0;
    member_real(j, "binMin", top ? -1 : !interval ? NAN : isnan(e->lo) ? n->min : e->lo);
    member_real(j, "binMax", top ? n->max : !interval ? NAN : isnan(e->hi) ? n->max : e->hi);
    member_real(j, "binContains", top ? -1 : interval ? share_of(x, e) : NAN);
}

static int put_activation(const struct source *s, FILE *to, const struct export_neuron *n,
                          const struct export_examples *e, struct err *err)
{
    struct jsonout j = {.to = to};
    char place[80];
    size_t most = 0, least = 0;
    int rc = 0;
    for (size_t i = 1; i < e->n; i++) {
        most = e->activations[i] > e->activations[most] ? i : most;
        least = e->activations[i] < e->activations[least] ? i : least;
    }
    jsonout_begin(&j, '{');
    put_id(s, &j, n->index, e->kind, e->rank);
    put_place(s, &j, n->index);
    member_text(&j, "creatorId", CREATOR);
    member_text(&j, "dataSource", e->kind);
    snprintf(place, sizeof place, "%" PRId64 ":%" PRId64 ":%" PRId64, e->shard, e->doc,
             e->byte_start);
    member_text(&j, "dataIndex", place);
    export_put_tokens(e, &j, "tokens", &rc, err);
    export_put_activations(e, &j, "values");
    member_real(&j, "maxValue", e->activations[most]);
    member_int(&j, "maxValueTokenIndex", (int64_t)most);
    member_real(&j, "minValue", e->activations[least]);
    member_int(&j, "qualifyingTokenIndex", (int64_t)e->at);
    put_interval(s->x, &j, n, e);
    member_raw(&j, "dfaValues", "[]");
    member_raw(&j, "dfaTargetIndex", "null");
    member_raw(&j, "dfaMaxValue", "null");
    jsonout_end(&j, '}');
    return rc;
}

static int put_activations(const struct source *s, struct gz *z, const struct export_neuron *n,
                           struct err *err)
{
    int rc = 0;
    struct export_examples e;
    export_examples_open(&e, s->x, n, NULL, &rc, err);
    while (!ferror(z->to) && export_examples_next(&e, &rc, err)) {
        rc = put_activation(s, z->to, n, &e, err);
        z->lines++;
    }
    export_examples_close(&e);
    return rc;
}

// --- explanations ------------------------------------------------------------------------------

/* The hypothesis whose average precision is furthest above prevalence on dev, as on a neuron's
 * page, and what the test half says of it; none where that half does not bear it out.  CROSS JOIN:
 * by the scores' key, hypothesis by hypothesis. */
#define OF_NEURON(t)                                                                               \
    t ".hypothesis = h.id AND " t ".model = ?1 AND " t ".layer = ?2 AND " t ".idx = ?3 AND " t     \
      ".split = "
#define BEST                                                                                       \
    "SELECT h.name AS hypothesis, h.kind, t.n_pos, t.n_neg, t.docs_pos, t.prevalence,"             \
    " t.average_precision, t.auroc, t.auroc_bound, t.threshold, t.precision, t.recall, t.f1,"      \
    " t.mcc, t.r, t.mutual_information, t.mass_covered, t.top_covered FROM hypothesis h"           \
    " CROSS JOIN score d ON " OF_NEURON("d") "'dev' CROSS JOIN score t ON " OF_NEURON(             \
        "t") "'test' WHERE d.average_precision > d.prevalence"                                     \
             " ORDER BY d.average_precision - d.prevalence DESC, h.id LIMIT 1"

static int put_explanation(const struct source *s, FILE *to, int64_t index, sqlite3_stmt *row,
                           struct err *err)
{
    struct jsonout j = {.to = to};
    char *description = NULL, *notes = NULL;
    size_t len;
    FILE *numbers = open_memstream(&notes, &len);
    if (!numbers ||
        asprintf(&description,
                 "%.200s (%.20s): on the test half average precision %.3f where %.3g %% "
                 "is labelled, AUROC %.4f, precision %.3f, recall %.3f",
                 view_text(row, 0), view_text(row, 1), view_real(row, 6), 100 * view_real(row, 5),
                 view_real(row, 7), view_real(row, 10), view_real(row, 11)) < 0) {
        description = NULL;
    }
    if (numbers) {
        struct jsonout in = {.to = numbers, .depth = 1}; // ends no line
        jsonout_begin(&in, '{');
        view_json_columns(&in, row, 0, sqlite3_column_count(row));
        jsonout_end(&in, '}');
    }
    const bool whole = numbers && fclose(numbers) == 0 && description;
    if (whole) {
        jsonout_begin(&j, '{');
        put_id(s, &j, index, "explanation", 1);
        put_place(s, &j, index);
        member_text(&j, "authorId", CREATOR);
        member_text(&j, "description", description);
        member_text(&j, "notes", notes);
        member_raw(&j, "embedding", "null");
        member_raw(&j, "typeName", "null"); // it must be one that they know
        member_raw(&j, "explanationModelName", "null");
        jsonout_end(&j, '}');
    }
    free(description);
    free(notes);
    return whole ? 0 : err_nomem(err, "an explanation");
}

static int put_best(const struct source *s, struct gz *z, const struct export_neuron *n,
                    struct err *err)
{
    int rc = 0;
    if (!s->x->has_scores) {
        return 0;
    }
    sqlite3_stmt *stmt =
        view_query(s->x->v, BEST, (int64_t[]){n->model, n->layer, n->index}, &rc, err);
    // 5, 6: prevalence and average precision
    if (view_step(s->x->v, stmt, &rc, err) && view_real(stmt, 6) > view_real(stmt, 5)) {
        rc = put_explanation(s, z->to, n->index, stmt, err);
        z->lines++;
    }
    sqlite3_finalize(stmt);
    return rc;
}

// --- batches -----------------------------------------------------------------------------------

static int put_one_feature(const struct source *s, struct gz *z, const struct export_neuron *n,
                           struct err *err)
{
    z->lines++;
    s->x->neurons++;
    return put_feature(s, z->to, n, err);
}

/* One file: what put() has to say of each neuron of the batch. */
static int write_file(const struct source *s, const char *kind,
                      int (*put)(const struct source *s, struct gz *z,
                                 const struct export_neuron *n, struct err *err),
                      struct err *err)
{
    struct gz z = {0};
    char name[48], *folder = NULL, *path = NULL;
    snprintf(name, sizeof name, "batch-%" PRId64, s->number);
    int rc = export_folder(&folder, s->folder, kind, err);
    if (!rc) {
        path = export_path(folder, name, ".jsonl.gz", err);
        rc = path ? gz_open(&z, path, err) : ERR_NOMEM;
    }
    sqlite3_stmt *stmt = view_query(s->x->v, EXPORT_NEURON " AND layer = ?2 AND idx = ?3",
                                    (int64_t[]){s->m->id, s->layer, 0}, &rc, err);
    for (size_t i = 0; i < s->n && !rc && !ferror(z.to); i++) {
        struct export_neuron n;
        sqlite3_reset(stmt);
        sqlite3_bind_int64(stmt, 3, s->neurons[i]);
        if (view_step(s->x->v, stmt, &rc, err)) {
            export_neuron_read(&n, s->x, stmt);
            rc = put(s, &z, &n, err);
        }
    }
    sqlite3_finalize(stmt);
    rc = gz_close(&z, s->x, rc, err);
    free(path);
    free(folder);
    return rc;
}

static int write_batch(const struct source *s, struct err *err)
{
    const uint64_t bad_json = s->x->bad_json;
    int rc = write_file(s, "features", put_one_feature, err);
    const uint64_t seen = s->x->bad_json;
    if (!rc) {
        rc = write_file(s, "activations", put_activations, err);
    }
    if (!rc) {
        rc = write_file(s, "explanations", put_best, err);
    }
    s->x->bad_json = seen > bad_json ? seen : bad_json; // a histogram is read thrice, and bad once
    return rc;
}

static int write_batches(struct source *s, struct err *err)
{
    int rc = 0;
    int64_t last = -1;
    do {
        sqlite3_stmt *stmt = view_query(
            s->x->v,
            "SELECT idx FROM neuron WHERE model = ?1 AND layer = ?2 AND idx > ?3 AND " EXPORT_NAMED
            " ORDER BY idx LIMIT ?4",
            (int64_t[]){s->m->id, s->layer, last, BATCH}, &rc, err);
        s->n = 0;
        while (s->n < BATCH && view_step(s->x->v, stmt, &rc, err)) {
            last = sqlite3_column_int64(stmt, 0);
            s->neurons[s->n++] = last;
        }
        sqlite3_finalize(stmt);
        if (!rc && s->n > 0) {
            rc = write_batch(s, err);
        }
        s->number++;
    } while (!rc && s->n == BATCH);
    return rc;
}

// --- a source ----------------------------------------------------------------------------------

static void put_model(const struct source *s, struct jsonout *j)
{
    member_text(j, "id", s->m->folder);
    member_text(j, "displayName", s->m->name);
    member_text(j, "displayNameShort", s->m->name);
    member_text(j, "creatorId", CREATOR);
    member_text(j, "owner", "gapscope");
    member_int(j, "layers", s->m->n_layers);
    member_int(j, "neuronsPerLayer", s->m->d_mlp);
    member_raw(j, "instruct", "false");
    member_raw(j, "inferenceEnabled", "false");
    member_text(j, "visibility", "PUBLIC");
}

static void put_source_set(const struct source *s, struct jsonout *j)
{
    member_text(j, "modelId", s->m->folder);
    member_text(j, "name", s->set);
    member_text(j, "description", "MLP neurons");
    member_text(j, "creatorId", CREATOR);
    member_text(j, "creatorName", "gapscope");
    member_raw(j, "releaseName", "null");
    member_raw(j, "urls", "[]");
    member_text(j, "visibility", "PUBLIC");
}

static void put_source(const struct source *s, struct jsonout *j)
{
    member_text(j, "id", s->id);
    member_text(j, "modelId", s->m->folder);
    member_text(j, "setName", s->set);
    member_text(j, "creatorId", CREATOR);
    member_raw(j, "hasDashboards", "true");
    member_raw(j, "inferenceEnabled", "false");
    member_text(j, "notes", "gapscope " GAPSCOPE_VERSION);
    member_text(j, "visibility", "PUBLIC");
}

static int write_line(const struct source *s, const char *name,
                      void (*put)(const struct source *s, struct jsonout *j), struct err *err)
{
    struct outfile out = {0};
    char *path = export_path(s->folder, name, ".jsonl", err);
    int rc = path ? outfile_open(&out, path, err) : ERR_NOMEM;
    if (!rc) {
        struct jsonout j = {.to = out.stream};
        jsonout_begin(&j, '{');
        put(s, &j);
        jsonout_end(&j, '}');
        rc = outfile_commit(&out, err);
        s->x->files += !rc;
    }
    outfile_discard(&out);
    free(path);
    return rc;
}

static int write_source(struct exporter *x, const struct export_model *m, const char *folder,
                        int64_t layer, char *run, struct err *err)
{
    struct source s = {.x = x, .m = m, .layer = layer, .run = run};
    char *site = export_safe_name(m->site, strnlen(m->site, 16), 0, false);
    snprintf(s.set, sizeof s.set, "gapscope-%s", site ? site : "");
    snprintf(s.id, sizeof s.id, "%" PRId64 "-%s", layer, s.set);
    int rc = site ? export_folder(&s.folder, folder, s.id, err) : err_nomem(err, "a name");
    if (!rc) {
        rc = write_line(&s, "model", put_model, err);
    }
    if (!rc) {
        rc = write_line(&s, "sourceset", put_source_set, err);
    }
    if (!rc) {
        rc = write_line(&s, "source", put_source, err);
    }
    if (!rc) {
        rc = write_batches(&s, err);
    }
    free(s.folder);
    free(site);
    return rc;
}

static int write_model(struct exporter *x, const struct export_model *m, struct err *err)
{
    char *bucket = NULL, *folder = NULL, *run = NULL;
    int rc = export_folder(&bucket, x->dir, "v1", err);
    if (!rc) {
        rc = export_folder(&folder, bucket, m->folder, err);
    }
    sqlite3_stmt *meta =
        view_query(x->v, "SELECT group_concat(value) FROM meta WHERE key IN ('started', 'command')",
                   NULL, &rc, err);
    if (view_step(x->v, meta, &rc, err)) {
        run = view_strdup(meta, 0, &rc, err);
    }
    sqlite3_finalize(meta);
    sqlite3_stmt *stmt = view_query(
        x->v,
        "SELECT DISTINCT layer FROM neuron WHERE model = ?1 AND " EXPORT_NAMED " ORDER BY layer",
        &m->id, &rc, err);
    while (view_step(x->v, stmt, &rc, err)) {
        rc = write_source(x, m, folder, sqlite3_column_int64(stmt, 0), run, err);
    }
    sqlite3_finalize(stmt);
    free(run);
    free(folder);
    free(bucket);
    return rc;
}

int export_neuronpedia(struct exporter *x, struct err *err)
{
    return export_models(x, write_model, err);
}
