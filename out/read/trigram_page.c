#include "out/read/trigram_page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "out/read/queries.h"
#include "out/read/trigram_facts.h"

// clang-format off
#define AT(field) offsetof(struct trigram_row, field)
static const struct column trigram_columns[] = {
    {"id", CELL_WHOLE, AT(id)}, {"a", CELL_WHOLE, AT(abc[0])}, {"b", CELL_WHOLE, AT(abc[1])},
    {"c", CELL_WHOLE, AT(abc[2])}, {"a_text", CELL_TEXT, AT(texts[0])},
    {"b_text", CELL_TEXT, AT(texts[1])}, {"c_text", CELL_TEXT, AT(texts[2])},
    {"count", CELL_WHOLE, AT(counts[0])}, {"count_ab", CELL_WHOLE, AT(counts[1])},
    {"count_bc", CELL_WHOLE, AT(counts[2])}, {"count_b", CELL_WHOLE, AT(counts[3])},
    {"count_c", CELL_WHOLE, AT(counts[4])}, {"p", CELL_REAL, AT(p)},
    {"p_bigram", CELL_REAL, AT(p_bigram)}, {"p_skip2", CELL_REAL, AT(p_skip[0])},
    {"p_skip4", CELL_REAL, AT(p_skip[1])}, {"p_skip8", CELL_REAL, AT(p_skip[2])},
    {"p_skip16", CELL_REAL, AT(p_skip[3])}, {"p_added", CELL_REAL, AT(p_added)},
    {"n", CELL_WHOLE, AT(n)}, {"docs", CELL_WHOLE, AT(docs)}, {"gain", CELL_REAL, AT(gain)},
    {"tested", CELL_WHOLE, AT(tested)}, {"n_ab", CELL_WHOLE, AT(cells[AT_AB])},
    {"n_xb", CELL_WHOLE, AT(cells[AT_XB])}, {"n_ax", CELL_WHOLE, AT(cells[AT_AX])},
    {"n_xx", CELL_WHOLE, AT(cells[AT_XX])}, {"mean_logprob", CELL_JSON, AT(mean_logprob)},
    {"fillers_a", CELL_JSON, AT(fillers_a)}, {"fillers_b", CELL_JSON, AT(fillers_b)},
};
#undef AT
const struct row_kind trigram_kind = ROW_KIND(struct trigram_row, trigram_columns);

#define AT(field) offsetof(struct trigram_pair_gap, field)
static const struct column gap_columns[] = {
    {"pair", CELL_WHOLE, AT(pair)}, {"name", CELL_TEXT, AT(name)},
    {"mean_gap", CELL_REAL, AT(mean_gap)}, {"se", CELL_REAL, AT(se)},
};
#undef AT
const struct row_kind trigram_gap_kind = ROW_KIND(struct trigram_pair_gap, gap_columns);

#define AT(field) offsetof(struct trigram_model, field)
static const struct column model_columns[] = {
    {"model", CELL_WHOLE, AT(model)}, {"name", CELL_TEXT, AT(name)},
    {"contexts", CELL_WHOLE, AT(contexts)}, {"pairs", CELL_WHOLE, AT(pairs)},
    {"lp_ab", CELL_REAL, AT(logprob[AT_AB])}, {"lp_xb", CELL_REAL, AT(logprob[AT_XB])},
    {"lp_ax", CELL_REAL, AT(logprob[AT_AX])}, {"lp_xx", CELL_REAL, AT(logprob[AT_XX])},
    {"interaction", CELL_REAL, AT(interaction)}, {"se", CELL_REAL, AT(se)},
    {"verdict", CELL_TEXT, AT(verdict)}, {"layer", CELL_WHOLE, AT(layer)},
    {"idx", CELL_WHOLE, AT(idx)}, {"site", CELL_TEXT, AT(site)},
    // TRIGRAM_MODEL_SHOWN: up to here
    {"neuron_layer", CELL_WHOLE, AT(neuron_layer)}, {"neuron_idx", CELL_WHOLE, AT(neuron_idx)},
    {"ab", CELL_REAL, AT(activation[AT_AB])}, {"xb", CELL_REAL, AT(activation[AT_XB])},
    {"ax", CELL_REAL, AT(activation[AT_AX])}, {"xx", CELL_REAL, AT(activation[AT_XX])},
    {"ablated", CELL_REAL, AT(ablated)}, {"ablated_se", CELL_REAL, AT(ablated_se)},
    {"ablated_elsewhere", CELL_REAL, AT(ablated_elsewhere)},
};
#undef AT
const struct row_kind trigram_model_kind = ROW_KIND(struct trigram_model, model_columns);

#define AT(field) offsetof(struct trigram_neuron_row, field)
static const struct column neuron_columns[] = {
    {"layer", CELL_WHOLE, AT(layer)}, {"idx", CELL_WHOLE, AT(idx)}, {"rank", CELL_WHOLE, AT(rank)},
    {"kind", CELL_TEXT, AT(kind)}, {"corpus_ab", CELL_REAL, AT(corpus[AT_AB])},
    {"corpus_xb", CELL_REAL, AT(corpus[AT_XB])}, {"corpus_ax", CELL_REAL, AT(corpus[AT_AX])},
    {"corpus_xx", CELL_REAL, AT(corpus[AT_XX])},
    {"corpus_interaction", CELL_REAL, AT(corpus_interaction)},
    {"ab", CELL_REAL, AT(pairs[AT_AB])}, {"xb", CELL_REAL, AT(pairs[AT_XB])},
    {"ax", CELL_REAL, AT(pairs[AT_AX])}, {"xx", CELL_REAL, AT(pairs[AT_XX])},
    {"interaction", CELL_REAL, AT(interaction)}, {"se", CELL_REAL, AT(se)},
    {"direct", CELL_REAL, AT(direct)}, {"share", CELL_REAL, AT(share)},
    {"ablated", CELL_REAL, AT(ablated)}, {"ablated_se", CELL_REAL, AT(ablated_se)},
    {"ablated_elsewhere", CELL_REAL, AT(ablated_elsewhere)},
};
#undef AT
const struct row_kind trigram_neuron_kind = ROW_KIND(struct trigram_neuron_row, neuron_columns);

#define AT(field) offsetof(struct trigram_example, field)
static const struct column example_columns[] = {
    {"kind", CELL_TEXT, AT(kind)}, {"rank", CELL_WHOLE, AT(rank)},
    {"shard", CELL_WHOLE, AT(place.shard)}, {"doc", CELL_WHOLE, AT(place.doc)},
    {"byte_start", CELL_WHOLE, AT(place.byte_start)}, {"byte_end", CELL_WHOLE, AT(place.byte_end)},
    {"token_index", CELL_WHOLE, AT(place.token_index)}, {"tokens", CELL_JSON, AT(place.tokens)},
    {"logprobs", CELL_JSON, AT(logprobs)},
    // TRIGRAM_EXAMPLE_SHOWN: up to here
    {"marked", CELL_JSON, AT(place.labelled)}, {"said", CELL_TEXT, AT(logprob_list)},
};
#undef AT
const struct row_kind trigram_example_kind = ROW_KIND(struct trigram_example, example_columns);

static const struct column filler_columns[] = {
    {"token", CELL_WHOLE, offsetof(struct filler, token)},
    {"token_text", CELL_TEXT, offsetof(struct filler, token_text)},
};
const struct row_kind filler_kind = ROW_KIND(struct filler, filler_columns);

static const struct column mean_column[] = {{"said", CELL_TEXT, 0}};
static const struct row_kind mean_kind = ROW_KIND(struct text, mean_column);
// clang-format on

int trigram_models_step(struct trigram_model **models, size_t *n, struct reader *r,
                        sqlite3_stmt *stmt)
{
    rows_step(models, n, &trigram_model_kind, r, stmt);
    for (size_t i = 0; i < *n && !r->rc; i++) {
        struct buf words = {0};
        reader_take(r, trigram_verdict_words(&words, &(*models)[i], r->err));
        (*models)[i].words = words.data;
    }
    return r->rc;
}

void trigram_models_free(struct trigram_model *models, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(models[i].words);
        rows_free(models[i].neurons, models[i].n_neurons, &trigram_neuron_kind);
    }
    rows_free(models, n, &trigram_model_kind);
}

static void read_models(struct trigram_page *p, struct reader *r, int64_t id)
{
    sqlite3_stmt *stmt = reader_query(r, SQL_TRIGRAM_MODELS, &id);
    trigram_models_step(&p->models, &p->n_models, r, stmt);
    sqlite3_finalize(stmt);
    for (size_t i = 0; i < p->n_models; i++) {
        const int64_t model = p->models[i].model == WHOLE_NULL ? 0 : p->models[i].model;
        rows_read(&p->models[i].neurons, &p->models[i].n_neurons, &trigram_neuron_kind, r,
                  SQL_TRIGRAM_NEURONS, (int64_t[]){id, model});
    }
}

static void read_fillers(struct trigram_page *p, struct reader *r, int64_t id)
{
    static const char *const columns[] = {"fillers_a", "fillers_b"};
    for (size_t i = 0; i < 2; i++) {
        char sql[288];
        snprintf(sql, sizeof sql,
                 "SELECT f.value AS token, k.text AS token_text FROM trigram t,"
                 " json_each(iif(json_valid(t.%s), t.%s, '[]')) f"
                 " LEFT JOIN token k ON k.id = f.value"
                 " WHERE t.id = ?1 AND f.type = 'integer' ORDER BY f.key",
                 columns[i], columns[i]);
        rows_read(&p->fillers[i], &p->n_fillers[i], &filler_kind, r, sql, &id);
    }
}

bool trigram_page_read(struct trigram_page *p, struct reader *r, int64_t id, size_t examples)
{
    if (!row_read_first(&p->trigram, &trigram_kind, r, SQL_TRIGRAM, &id)) {
        return false;
    }
    row_read_first(
        &p->mean_list, &mean_kind, r,
        "SELECT " SQL_LOGPROB_LIST_BY_NAME("mean_logprob") " AS said FROM trigram WHERE id = ?1",
        &id);
    rows_read(&p->gaps, &p->n_gaps, &trigram_gap_kind, r, SQL_TRIGRAM_GAPS, &id);
    read_models(p, r, id);
    rows_read(&p->examples, &p->n_examples, &trigram_example_kind, r, SQL_TRIGRAM_EXAMPLES,
              (int64_t[]){id, limit_of(examples)});
    places_name(r, p->examples, p->n_examples, sizeof *p->examples,
                offsetof(struct trigram_example, place));
    for (size_t i = 0; i < p->n_examples; i++) {
        p->examples[i].place.activation = NAN;
    }
    read_fillers(p, r, id);
    return !r->rc;
}

void trigram_page_free(struct trigram_page *p)
{
    row_free(&p->trigram, &trigram_kind);
    row_free(&p->mean_list, &mean_kind);
    rows_free(p->gaps, p->n_gaps, &trigram_gap_kind);
    trigram_models_free(p->models, p->n_models);
    for (size_t i = 0; i < p->n_examples; i++) {
        place_free(&p->examples[i].place);
    }
    rows_free(p->examples, p->n_examples, &trigram_example_kind);
    for (size_t i = 0; i < 2; i++) {
        rows_free(p->fillers[i], p->n_fillers[i], &filler_kind);
    }
    *p = (struct trigram_page){0};
}

const struct trigram_pair_gap *trigram_gap_of(const struct trigram_page *p, int64_t pair)
{
    for (size_t i = 0; i < p->n_gaps; i++) {
        if (p->gaps[i].pair == pair) {
            return &p->gaps[i];
        }
    }
    return NULL;
}
