/*
 * neuronpedia: the files that Neuronpedia's public data sets consist of and its importer reads
 *
 *     DIR/v1/MODEL/LAYER-gapscope-SITE/            a "source"
 *         model.jsonl  sourceset.jsonl  source.jsonl
 *         features/batch-0.jsonl.gz                one line per neuron, 256 neurons per batch
 *         activations/batch-0.jsonl.gz             a line an example
 *         explanations/batch-0.jsonl.gz            a line a neuron: its best hypothesis
 *
 * The importer takes the columns from a file's first line, so all lines have the same keys; and it
 * fails at an empty file, so there is none.  Files are written one after the other, since of one
 * alone the temporary file is removed when a signal ends the program.
 */
#include "out/export/export.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/file.h"
#include "corpora/base/memstream.h"
#include "out/export/gzfile.h"
#include "out/read/row_json.h"

#define BATCH 256 // neurons: some 20 MB of activations, which the importer holds at once
#define BARS 50   // of a histogram, as theirs have
#define CREATOR "clkht01d40000jv08hvalcvly" // the user that every copy of Neuronpedia has

// --- what is being written ---------------------------------------------------------------------

struct source {
    struct exporter *x;
    const struct export_model *m;
    int64_t layer;
    char set[64]; // "gapscope-post"
    char id[96];  // "0-gapscope-post"
    char *folder;
    char *run; // tells this run from others
    // the current batch
    int64_t number;
    int64_t neurons[BATCH]; // [n] their indices
    size_t n;
};

static void member_text(struct jsonout *j, const char *key, const char *text)
{
    jsonout_key(j, key);
    json_text(j, text);
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
static void write_place(const struct source *s, struct jsonout *j, int64_t index)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, index);
    member_text(j, "modelId", s->m->folder);
    member_text(j, "layer", s->id);
    member_text(j, "index", text);
}

/* 25 characters like theirs: the same for the same row of the same run, so that what is imported
 * twice is there once. */
static void write_id(const struct source *s, struct jsonout *j, int64_t index, const char *kind,
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
    } else {
        mem_lost();
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
            if (lo >= 0 && !(x->bins.items[i].hi <= 0)) { // not NaN, nor the bin of 0
                const double share = hi > lo ? (edge - lo) / (hi - lo) : edge >= lo;
                below += (double)x->counts[i] * fmin(fmax(share, 0), 1);
            }
        }
        const double up_to = fmin(below + 0.5, 9e18); // what is damaged may be more
        heights[k] = (uint64_t)up_to > before ? (uint64_t)up_to - before : 0;
        before += heights[k];
    }
}

static void write_bars(const struct exporter *x, struct jsonout *j, double max)
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
static void write_effects(const struct source *s, struct jsonout *j, const struct export_neuron *n,
                          const char *kind, const char *texts, const char *values)
{
    struct reader *r = s->x->r;
    char sql[192];
    snprintf(sql, sizeof sql,
             "SELECT token, value FROM effect WHERE model = ?1 AND layer = ?2 AND idx = ?3 AND"
             " kind = '%s' AND value BETWEEN -1e300 AND 1e300 ORDER BY rank",
             kind);
    for (int column = 0; column < 2; column++) {
        sqlite3_stmt *stmt = reader_query(r, sql, (int64_t[]){n->model, n->layer, n->index});
        jsonout_key(j, column == 0 ? texts : values);
        jsonout_begin(j, '[');
        while (reader_step(r, stmt)) {
            if (column == 0) {
                jsonout_raw(j, export_token(s->x, sqlite3_column_int64(stmt, 0)));
            } else {
                jsonout_double(j, column_real(stmt, 1));
            }
        }
        jsonout_end(j, ']');
        sqlite3_finalize(stmt);
    }
}

static void write_feature(const struct source *s, FILE *to, const struct export_neuron *n)
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
    write_place(s, &j, n->index);
    member_text(&j, "sourceSetName", s->set);
    member_text(&j, "creatorId", CREATOR);
    member_real(&j, "maxActApprox", n->max);
    member_real(&j, "frac_nonzero", isfinite(n->share_positive) ? n->share_positive : 0);
    write_bars(s->x, &j, n->max);
    write_effects(s, &j, n, "output_top", "pos_str", "pos_values");
    write_effects(s, &j, n, "output_bottom", "neg_str", "neg_values");
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        member_raw(&j, empty[i], "[]");
    }
    snprintf(hook, sizeof hook, "blocks.%" PRId64 ".mlp.hook_%.16s", s->layer, s->m->site);
    member_text(&j, "hookName", hook);
    member_raw(&j, "hasVector", "false");
    member_raw(&j, "vectorLabel", "null");
    member_raw(&j, "vectorDefaultSteerStrength", "null");
    jsonout_end(&j, '}');
}

// --- activations -------------------------------------------------------------------------------

/* The share of all tokens whose activation is in the interval of an example. */
static double share_of(const struct exporter *x, const struct export_examples *e)
{
    double inside = 0, total = 0;
    for (size_t i = 0; i < x->bins.n; i++) {
        const struct bin *b = &x->bins.items[i];
        const bool above = isnan(e->row.lo) || b->lo >= e->row.lo,
                   below = isnan(e->row.hi) || b->hi <= e->row.hi;
        inside += above && below ? (double)x->counts[i] : 0;
        total += (double)x->counts[i];
    }
    return total > 0 ? inside / total : NAN;
}

/* What is shown together: an interval, or theirs for the strongest (-1 to the maximum), or none. */
static void write_interval(const struct exporter *x, struct jsonout *j,
                           const struct export_neuron *n, const struct export_examples *e)
{
    const bool interval = strcmp(e->row.kind.data, "interval") == 0,
               top = strcmp(e->row.kind.data, "top") == 0;
    member_real(j, "binMin", top ? -1 : !interval ? NAN : isnan(e->row.lo) ? n->min : e->row.lo);
    member_real(j, "binMax",
                top                ? n->max
                : !interval        ? NAN
                : isnan(e->row.hi) ? n->max
                                   : e->row.hi);
    member_real(j, "binContains", top ? -1 : interval ? share_of(x, e) : NAN);
}

static void write_activation(const struct source *s, FILE *to, const struct export_neuron *n,
                             const struct export_examples *e)
{
    struct jsonout j = {.to = to};
    char place[80];
    size_t most = 0, least = 0;
    for (size_t i = 1; i < e->n; i++) {
        most = e->activations[i] > e->activations[most] ? i : most;
        least = e->activations[i] < e->activations[least] ? i : least;
    }
    jsonout_begin(&j, '{');
    write_id(s, &j, n->index, e->row.kind.data, (int64_t)count_of(e->row.rank));
    write_place(s, &j, n->index);
    member_text(&j, "creatorId", CREATOR);
    member_text(&j, "dataSource", e->row.kind.data);
    snprintf(place, sizeof place, "%" PRIu64 ":%" PRIu64 ":%" PRIu64, count_of(e->row.place.shard),
             count_of(e->row.place.doc), count_of(e->row.place.byte_start));
    member_text(&j, "dataIndex", place);
    export_write_tokens(e, &j, "tokens");
    export_write_activations(e, &j, "values");
    member_real(&j, "maxValue", e->activations[most]);
    member_int(&j, "maxValueTokenIndex", (int64_t)most);
    member_real(&j, "minValue", e->activations[least]);
    member_int(&j, "qualifyingTokenIndex", (int64_t)e->at);
    write_interval(s->x, &j, n, e);
    member_raw(&j, "dfaValues", "[]");
    member_raw(&j, "dfaTargetIndex", "null");
    member_raw(&j, "dfaMaxValue", "null");
    jsonout_end(&j, '}');
}

static void write_activations(const struct source *s, struct gzfile *z,
                              const struct export_neuron *n)
{
    struct export_examples e;
    export_examples_open(&e, s->x, n, NULL);
    while (!ferror(z->to) && export_examples_next(&e)) {
        write_activation(s, z->to, n, &e);
        z->lines++;
    }
    export_examples_close(&e);
}

// --- explanations ------------------------------------------------------------------------------

/* The hypothesis whose average precision is furthest above prevalence on dev, as on a neuron's
 * page, and what the test half says of it; none where that half does not bear it out.  CROSS JOIN:
 * by the scores' key, hypothesis by hypothesis. */
#define OF_NEURON(t)                                                                               \
    t ".hypothesis = h.id AND " t ".model = ?1 AND " t ".layer = ?2 AND " t ".idx = ?3 AND " t     \
      ".split = "
#define BEST                                                                                       \
    "SELECT h.name, h.kind, t.* FROM hypothesis h CROSS JOIN score d ON " OF_NEURON(               \
        "d") "'dev' CROSS JOIN score t ON " OF_NEURON("t") "'test' WHERE d.average_precision > "   \
                                                           "d.prevalence"                          \
                                                           " ORDER BY d.average_precision - "      \
                                                           "d.prevalence DESC, h.id LIMIT 1"

/* The numbers of a score that an explanation has, in one line of JSON as a new string. */
static char *score_notes(const struct score *x)
{
    static const char *const names[] = {"kind",         "n_pos",       "n_neg",
                                        "docs_pos",     "prevalence",  "average_precision",
                                        "auroc",        "auroc_bound", "threshold",
                                        "precision",    "recall",      "f1",
                                        "mcc",          "r",           "mutual_information",
                                        "mass_covered", "top_covered"};
    char *notes = NULL;
    size_t len;
    FILE *to = memstream_open(&notes, &len);
    if (!to) {
        return NULL;
    }
    struct jsonout j = {.to = to, .depth = 1}; // ends no line
    jsonout_begin(&j, '{');
    jsonout_key(&j, "hypothesis");
    text_json(&j, &x->name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        row_json_member(&j, &score_of_neuron, x, names[i]);
    }
    jsonout_end(&j, '}');
    if (fclose(to) != 0) {
        free(notes);
        notes = NULL;
    }
    return notes;
}

static int write_explanation(const struct source *s, FILE *to, int64_t index, const struct score *x)
{
    struct jsonout j = {.to = to};
    char *description = NULL, *notes = score_notes(x);
    if (asprintf(&description,
                 "%.200s (%.20s): on the test half average precision %.3f where %.3g %% "
                 "is labelled, AUROC %.4f, precision %.3f, recall %.3f",
                 x->name.data, x->kind.data, x->average_precision, 100 * x->prevalence, x->auroc,
                 x->precision, x->recall) < 0) {
        description = NULL;
    }
    const bool whole = notes && description;
    if (whole) {
        jsonout_begin(&j, '{');
        write_id(s, &j, index, "explanation", 1);
        write_place(s, &j, index);
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
    return whole ? 0 : err_nomem(s->x->r->err, "an explanation");
}

static void write_best(const struct source *s, struct gzfile *z, const struct export_neuron *n)
{
    struct reader *r = s->x->r;
    struct score x = {0};
    if (row_read_first(&x, &score_of_neuron, r, BEST, (int64_t[]){n->model, n->layer, n->index}) &&
        x.average_precision > x.prevalence) {
        reader_take(r, write_explanation(s, z->to, n->index, &x));
        z->lines++;
    }
    row_free(&x, &score_of_neuron);
}

// --- batches -----------------------------------------------------------------------------------

static void write_one_feature(const struct source *s, struct gzfile *z,
                              const struct export_neuron *n)
{
    z->lines++;
    s->x->neurons++;
    write_feature(s, z->to, n);
}

/* One file: what write() has to say of each neuron of the batch. */
static void write_file(const struct source *s, const char *kind,
                       void (*write)(const struct source *s, struct gzfile *z,
                                     const struct export_neuron *n))
{
    struct reader *r = s->x->r;
    struct gzfile z = {0};
    bool made = false;
    char name[48], *folder = NULL, *path = NULL;
    snprintf(name, sizeof name, "batch-%" PRId64, s->number);
    if (!reader_take(r, export_folder(&folder, s->folder, kind, r->err))) {
        path = export_path(folder, name, ".jsonl.gz", r->err);
        reader_take(r, path ? gzfile_open(&z, path, r->err) : ERR_NOMEM);
    }
    sqlite3_stmt *stmt = reader_query(r, EXPORT_NEURON " AND layer = ?2 AND idx = ?3",
                                      (int64_t[]){s->m->id, s->layer, 0});
    for (size_t i = 0; i < s->n && !r->rc && !ferror(z.to); i++) {
        struct export_neuron n;
        reader_again(stmt, (int64_t[]){s->m->id, s->layer, s->neurons[i]});
        if (reader_step(r, stmt)) {
            export_neuron_read(&n, s->x, stmt);
            write(s, &z, &n);
        }
    }
    sqlite3_finalize(stmt);
    reader_take(r, gzfile_close(&z, &made, r->rc, r->err));
    s->x->files += made;
    free(path);
    free(folder);
}

static void write_batch(const struct source *s)
{
    const uint64_t bad_json = s->x->bad_json;
    write_file(s, "features", write_one_feature);
    const uint64_t seen = s->x->bad_json;
    write_file(s, "activations", write_activations);
    write_file(s, "explanations", write_best);
    s->x->bad_json = seen > bad_json ? seen : bad_json; // a histogram is read thrice, and bad once
}

static void write_batches(struct source *s)
{
    struct reader *r = s->x->r;
    int64_t last = -1;
    do {
        sqlite3_stmt *stmt = reader_query(
            r,
            "SELECT idx FROM neuron WHERE model = ?1 AND layer = ?2 AND idx > ?3 AND " EXPORT_NAMED
            " ORDER BY idx LIMIT ?4",
            (int64_t[]){s->m->id, s->layer, last, BATCH});
        s->n = 0;
        while (s->n < BATCH && reader_step(r, stmt)) {
            last = sqlite3_column_int64(stmt, 0);
            s->neurons[s->n++] = last;
        }
        sqlite3_finalize(stmt);
        if (!r->rc && s->n > 0) {
            write_batch(s);
        }
        s->number++;
    } while (!r->rc && s->n == BATCH);
}

// --- a source ----------------------------------------------------------------------------------

static void write_model_line(const struct source *s, struct jsonout *j)
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

static void write_source_set(const struct source *s, struct jsonout *j)
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

static void write_source_line(const struct source *s, struct jsonout *j)
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

static void write_line(const struct source *s, const char *name,
                       void (*write)(const struct source *s, struct jsonout *j))
{
    struct reader *r = s->x->r;
    struct outfile out = {0};
    char *path = r->rc ? NULL : export_path(s->folder, name, ".jsonl", r->err);
    reader_take(r, path ? outfile_open(&out, path, r->err) : ERR_NOMEM);
    if (!r->rc) {
        struct jsonout j = {.to = out.stream};
        jsonout_begin(&j, '{');
        write(s, &j);
        jsonout_end(&j, '}');
        s->x->files += !reader_take(r, outfile_commit(&out, r->err));
    }
    outfile_discard(&out);
    free(path);
}

static void write_source(struct exporter *x, const struct export_model *m, const char *folder,
                         int64_t layer, char *run)
{
    struct reader *r = x->r;
    struct source s = {.x = x, .m = m, .layer = layer, .run = run};
    char *site = export_safe_name(m->site, strnlen(m->site, 16), 0, false);
    snprintf(s.set, sizeof s.set, "gapscope-%s", site ? site : "");
    snprintf(s.id, sizeof s.id, "%" PRId64 "-%s", layer, s.set);
    reader_take(r, site ? export_folder(&s.folder, folder, s.id, r->err)
                        : err_nomem(r->err, "a name"));
    write_line(&s, "model", write_model_line);
    write_line(&s, "sourceset", write_source_set);
    write_line(&s, "source", write_source_line);
    if (!r->rc) {
        write_batches(&s);
    }
    free(s.folder);
    free(site);
}

static int write_model(struct exporter *x, const struct export_model *m)
{
    struct reader *r = x->r;
    char *bucket = NULL, *folder = NULL, *run = NULL;
    if (!reader_take(r, export_folder(&bucket, x->dir, "v1", r->err))) {
        reader_take(r, export_folder(&folder, bucket, m->folder, r->err));
    }
    sqlite3_stmt *meta = reader_query(
        r, "SELECT group_concat(value) FROM meta WHERE key IN ('started', 'command')", NULL);
    if (reader_step(r, meta)) {
        run = column_strdup(r, meta, 0);
    }
    sqlite3_finalize(meta);
    sqlite3_stmt *stmt = reader_query(
        r, "SELECT DISTINCT layer FROM neuron WHERE model = ?1 AND " EXPORT_NAMED " ORDER BY layer",
        &m->id);
    while (reader_step(r, stmt)) {
        write_source(x, m, folder, sqlite3_column_int64(stmt, 0), run);
    }
    sqlite3_finalize(stmt);
    free(run);
    free(folder);
    free(bucket);
    return r->rc;
}

int export_neuronpedia(struct exporter *x)
{
    return export_models(x, write_model);
}
