/*
 * neuronrecord: a JSON file per neuron, as openai/automated-interpretability publishes and loads
 * them
 *
 *     DIR/MODEL/LAYER/NEURON.json
 *
 * Their loader takes objects by "dataclass_name", so every one has it.  random_sample_by_quantile
 * and quantile_boundaries are null: the intervals of a run are octaves of the activation, not
 * quantiles.
 */
#include "out/export/export.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "corpora/base/file.h"

static void begin_class(struct jsonout *j, const char *name)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "dataclass_name");
    jsonout_string(j, name);
}

static void member_real(struct jsonout *j, const char *key, double value)
{
    jsonout_key(j, key);
    jsonout_double(j, value);
}

static void write_records(struct exporter *x, struct jsonout *j, const struct export_neuron *n,
                          const char *key, const char *kind)
{
    struct export_examples e;
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    export_examples_open(&e, x, n, kind);
    while (export_examples_next(&e)) {
        begin_class(j, "ActivationRecord");
        export_write_tokens(&e, j, "tokens");
        export_write_activations(&e, j, "activations");
        jsonout_end(j, '}');
    }
    export_examples_close(&e);
    jsonout_end(j, ']');
}

static void write_record(struct exporter *x, FILE *to, const struct export_neuron *n)
{
    struct jsonout j = {.to = to};
    begin_class(&j, "NeuronRecord");
    jsonout_key(&j, "neuron_id");
    begin_class(&j, "NeuronId");
    jsonout_key(&j, "layer_index");
    jsonout_i64(&j, n->layer);
    jsonout_key(&j, "neuron_index");
    jsonout_i64(&j, n->index);
    jsonout_end(&j, '}');
    write_records(x, &j, n, "random_sample", "random");
    member_real(&j, "random_sample_by_quantile", NAN); // null
    member_real(&j, "quantile_boundaries", NAN);
    member_real(&j, "mean", n->mean);
    member_real(&j, "variance", n->sd * n->sd);
    member_real(&j, "skewness", n->skewness);
    member_real(&j, "kurtosis", n->kurtosis);
    write_records(x, &j, n, "most_positive_activation_records", "top");
    jsonout_end(&j, '}');
}

static int write_neuron(struct exporter *x, const char *folder, const struct export_neuron *n)
{
    struct reader *r = x->r;
    struct outfile out = {0};
    char name[32];
    snprintf(name, sizeof name, "%" PRId64, n->index);
    char *path = export_path(folder, name, ".json", r->err);
    reader_take(r, path ? outfile_open(&out, path, r->err) : ERR_NOMEM);
    if (!r->rc) {
        write_record(x, out.stream, n);
    }
    if (!r->rc && !reader_take(r, outfile_commit(&out, r->err))) {
        x->files++;
        x->neurons++;
    }
    outfile_discard(&out);
    free(path);
    return r->rc;
}

static int write_model(struct exporter *x, const struct export_model *m)
{
    struct reader *r = x->r;
    char *folder = NULL, *layer_folder = NULL, name[32];
    struct export_neuron n = {.layer = -1};
    reader_take(r, export_folder(&folder, x->dir, m->folder, r->err));
    sqlite3_stmt *stmt = reader_query(r, EXPORT_NEURON " ORDER BY layer, idx", &m->id);
    while (reader_step(r, stmt)) {
        const int64_t before = n.layer;
        export_neuron_read(&n, x, stmt);
        if (n.layer != before) {
            free(layer_folder);
            snprintf(name, sizeof name, "%" PRId64, n.layer);
            reader_take(r, export_folder(&layer_folder, folder, name, r->err));
        }
        if (!r->rc) {
            write_neuron(x, layer_folder, &n);
        }
    }
    sqlite3_finalize(stmt);
    free(layer_folder);
    free(folder);
    return r->rc;
}

int export_neuronrecord(struct exporter *x)
{
    return export_models(x, write_model);
}
