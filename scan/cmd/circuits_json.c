#include "scan/cmd/circuits_view.h"

static void number(struct jsonout *j, const char *key, double value)
{
    jsonout_key(j, key);
    jsonout_double(j, value);
}

static void count(struct jsonout *j, const char *key, size_t value)
{
    jsonout_key(j, key);
    jsonout_u64(j, value);
}

static void head_name(struct jsonout *j, const char *key, const struct circuits_view *v,
                      size_t number)
{
    char name[48];
    snprintf(name, sizeof name, "L%zuH%zu", number / v->model->config.n_heads,
             number % v->model->config.n_heads);
    jsonout_key(j, key);
    jsonout_string(j, name);
}

static void write_token(struct jsonout *j, const struct circuits_view *v, uint32_t id)
{
    const struct prompts names = {.tokenizer = v->ask.tokenizer};
    count(j, "id", id);
    if (names.tokenizer) {
        char text[PROMPTS_TEXT];
        prompts_text(&names, id, text);
        jsonout_key(j, "text");
        jsonout_string(j, text);
    }
}

static void write_heads(struct jsonout *j, const struct circuits_view *v)
{
    const struct config *c = &v->model->config;
    jsonout_key(j, "heads");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < c->n_layers * c->n_heads; i++) {
        const struct head_scores *s = &v->scores[i];
        const struct circuits_positions *p = &v->positions[i];
        if (v->ask.one_head && i != v->ask.layer * c->n_heads + v->ask.index) {
            continue;
        }
        jsonout_begin(j, '{');
        head_name(j, "head", v, i);
        jsonout_key(j, "kind");
        jsonout_string(j, head_kind(i / c->n_heads, s));
        number(j, "previous_token_score", s->previous_token);
        number(j, "duplicate_token_score", s->duplicate_token);
        number(j, "induction_score", s->induction);
        number(j, "bos_score", s->bos);
        number(j, "self_score", s->self);
        number(j, "copying_score", s->copying);
        number(j, "copying_raw", s->copying_raw);
        jsonout_key(j, "by_position");
        jsonout_begin(j, '{');
        number(j, "previous", p->previous);
        number(j, "self", p->self);
        number(j, "first", p->first);
        count(j, "distance", p->distance);
        number(j, "at_distance", p->at_distance);
        jsonout_end(j, '}');
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}

static void write_score(struct jsonout *j, const char *key, const struct composition_pair *p)
{
    jsonout_key(j, key);
    jsonout_begin(j, '{');
    number(j, "score", p->score);
    number(j, "random_mean", p->random_mean);
    number(j, "random_sd", p->random_sd);
    number(j, "z", composition_z(p));
    count(j, "rank", p->rank);
    jsonout_end(j, '}');
}

static void write_composition(struct jsonout *j, const struct circuits_view *v)
{
    jsonout_key(j, "composition");
    jsonout_begin(j, '{');
    count(j, "pairs", v->folded.n_pairs);
    number(j, "random_rms", v->folded.rms);
    count(j, "draws", v->folded.draws);
    for (int mode = 0; mode < COMPOSITION_MODES; mode++) {
        jsonout_key(j, composition_mode_name(mode));
        jsonout_begin(j, '[');
        for (size_t p = 0; p < v->folded.n_pairs; p++) {
            const struct composition_pair *folded = &v->folded.pairs[mode][p];
            if (circuits_view_shows(v, folded)) {
                jsonout_begin(j, '{');
                head_name(j, "from", v, folded->from);
                head_name(j, "to", v, folded->to);
                write_score(j, "folded", folded);
                write_score(j, "raw", &v->raw.pairs[mode][p]);
                jsonout_end(j, '}');
            }
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, '}');
}

static void write_list(struct jsonout *j, const struct circuits_view *v, const char *key,
                       const struct circuits_list *l)
{
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    for (size_t i = 0; i < l->n; i++) {
        jsonout_begin(j, '{');
        write_token(j, v, l->ids[i]);
        number(j, "value", l->values[i]);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}

static void write_row(struct jsonout *j, const struct circuits_view *v,
                      const struct circuits_row *row)
{
    static const char *const keys[] = {"folded", "raw"};
    jsonout_begin(j, '{');
    if (row->kind != CIRCUITS_DIRECT) {
        head_name(j, "head", v, row->layer * v->model->config.n_heads + row->index);
    }
    jsonout_key(j, row->kind == CIRCUITS_QK ? "query" : "source");
    jsonout_begin(j, '{');
    write_token(j, v, row->token);
    jsonout_end(j, '}');
    for (size_t raw = 0; raw < 2; raw++) {
        jsonout_key(j, keys[raw]);
        jsonout_begin(j, '{');
        write_list(j, v, "greatest", &row->lists[2 * raw + CIRCUITS_GREATEST]);
        write_list(j, v, "least", &row->lists[2 * raw + CIRCUITS_LEAST]);
        number(j, "own", row->own[raw]);
        count(j, "own_rank", row->own_rank[raw]);
        jsonout_end(j, '}');
    }
    if (row->kind == CIRCUITS_QK && v->query_at > 0) {
        jsonout_key(j, "at_positions");
        jsonout_begin(j, '{');
        count(j, "query", v->query_at);
        count(j, "key", v->query_at - 1);
        write_list(j, v, "greatest", &row->lists[CIRCUITS_AT]);
        jsonout_end(j, '}');
    }
    jsonout_end(j, '}');
}

void circuits_view_json(const struct circuits_view *v, struct jsonout *j)
{
    static const char *const kinds[] = {"ov", "qk", "direct"};
    const struct config *c = &v->model->config;
    jsonout_begin(j, '{');
    jsonout_key(j, "model");
    jsonout_string(j, v->name);
    count(j, "n_layers", c->n_layers);
    count(j, "n_heads", c->n_heads);
    count(j, "d_model", c->d_model);
    count(j, "d_head", c->d_head);
    write_heads(j, v);
    write_composition(j, v);
    for (int kind = CIRCUITS_OV; kind <= CIRCUITS_DIRECT; kind++) {
        jsonout_key(j, kinds[kind]);
        jsonout_begin(j, '[');
        for (size_t i = 0; i < v->n_rows; i++) {
            if ((int)v->rows[i].kind == kind) {
                write_row(j, v, &v->rows[i]);
            }
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, '}');
}
