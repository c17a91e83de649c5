#include "out/text/trigrams.h"

#include "out/read/row_json.h"

/* What the run says of all its trigrams. */
static int json_run(struct jsonout *j, const struct trigram_list *l, struct err *err)
{
    struct buf words = {0};
    const int rc = trigram_funnel_words(&words, &l->run, err);
    jsonout_key(j, "run");
    json_value(j, l->run.json, 0);
    jsonout_key(j, "funnel_words");
    json_text(j, rc ? "" : words.data);
    jsonout_key(j, "tested");
    if (l->run.tested >= 0) {
        jsonout_i64(j, l->run.tested);
    } else {
        jsonout_raw(j, "null");
    }
    jsonout_key(j, "pair");
    if (l->pairs.chosen) {
        json_text(j, l->pairs.chosen->name);
    } else {
        jsonout_raw(j, "null");
    }
    buf_free(&words);
    return rc;
}

int json_trigrams_begin(struct jsonout *j, const struct trigram_list *l, struct err *err)
{
    jsonout_begin(j, '{');
    const int rc = json_run(j, l, err);
    jsonout_key(j, "sort");
    jsonout_string(j, trigram_orders[l->order]);
    jsonout_key(j, "in_run");
    jsonout_u64(j, l->n_all);
    jsonout_key(j, "beating");
    jsonout_u64(j, l->n_beating);
    jsonout_key(j, "found");
    jsonout_u64(j, l->n);
    jsonout_key(j, "trigrams");
    jsonout_begin(j, '[');
    return rc;
}

void json_trigrams_end(struct jsonout *j)
{
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

/* "models": [{..., "words": "...", "neurons": [{...}]}] */
static void json_models(struct jsonout *j, const struct trigram_page *p)
{
    const struct row_kind shown = {trigram_model_kind.columns, TRIGRAM_MODEL_SHOWN,
                                   trigram_model_kind.size};
    jsonout_key(j, "models");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < p->n_models; i++) {
        const struct trigram_model *m = &p->models[i];
        jsonout_begin(j, '{');
        row_json(j, &shown, m);
        jsonout_key(j, "words");
        json_text(j, m->words);
        rows_json(j, "neurons", &trigram_neuron_kind, m->neurons, m->n_neurons);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}

static void json_examples(struct jsonout *j, const struct trigram_page *p)
{
    const struct row_kind shown = {trigram_example_kind.columns, TRIGRAM_EXAMPLE_SHOWN,
                                   trigram_example_kind.size};
    jsonout_key(j, "examples");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < p->n_examples; i++) {
        jsonout_begin(j, '{');
        row_json(j, &shown, &p->examples[i]);
        place_json_texts(j, &p->examples[i].place);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}

void json_trigram_page(struct jsonout *j, const struct trigram_page *p)
{
    jsonout_begin(j, '{');
    row_json(j, &trigram_kind, &p->trigram);
    rows_json(j, "gaps", &trigram_gap_kind, p->gaps, p->n_gaps);
    json_models(j, p);
    json_examples(j, p);
    jsonout_end(j, '}');
}
