#include "scan/cmd/minimal_view.h"

#include <stdio.h>

#include "model/explain/attribution.h"

static void number(struct jsonout *j, const char *key, double value)
{
    jsonout_key(j, key);
    jsonout_double(j, value);
}

// --- the prompts --------------------------------------------------------------------------------

static void write_token(const struct prompts *p, struct jsonout *j, uint32_t id)
{
    char text[PROMPTS_TEXT];
    jsonout_key(j, "id");
    jsonout_u64(j, id);
    if (p->tokenizer) {
        prompts_text(p, id, text);
        jsonout_key(j, "text");
        jsonout_string(j, text);
    }
}

static void write_prompt(const struct prompts *p, struct jsonout *j, size_t k)
{
    jsonout_begin(j, '{');
    if (p->tokenizer) {
        jsonout_key(j, "text");
        jsonout_string(j, p->texts[k]);
    }
    jsonout_key(j, "ids");
    jsonout_u32s(j, p->ids[k], p->n[k]);
    if (p->tokenizer) {
        jsonout_key(j, "tokens");
        jsonout_begin(j, '[');
        for (size_t i = 0; i < p->n[k]; i++) {
            char text[PROMPTS_TEXT];
            prompts_text(p, p->ids[k][i], text);
            jsonout_string(j, text);
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, '}');
}

void minimal_view_json_prompts(const struct prompts *p, struct jsonout *j)
{
    jsonout_key(j, "prompts");
    jsonout_begin(j, '[');
    write_prompt(p, j, 0);
    write_prompt(p, j, 1);
    jsonout_end(j, ']');
    jsonout_key(j, "differing");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < p->n[0]; i++) {
        if (p->ids[0][i] != p->ids[1][i]) {
            jsonout_u64(j, i);
        }
    }
    jsonout_end(j, ']');
    jsonout_key(j, "answers");
    jsonout_begin(j, '[');
    for (size_t a = 0; a < 2; a++) {
        jsonout_begin(j, '{');
        write_token(p, j, p->answers[a]);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}

// --- what the model says, and why ---------------------------------------------------------------

static void write_output(const struct minimal *m, const struct prompts *p, struct jsonout *j,
                         size_t k)
{
    const struct minimal_output *s = &m->output[k];
    jsonout_begin(j, '{');
    number(j, "difference", s->difference);
    jsonout_key(j, "answers");
    jsonout_begin(j, '[');
    for (size_t a = 0; a < 2; a++) {
        jsonout_begin(j, '{');
        jsonout_key(j, "logit");
        jsonout_float(j, s->logits[a]);
        number(j, "logprob", s->logprobs[a]);
        jsonout_key(j, "rank");
        jsonout_u64(j, s->ranks[a]);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
    jsonout_key(j, "top");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < s->n_top; i++) {
        jsonout_begin(j, '{');
        write_token(p, j, s->top[i]);
        number(j, "logprob", s->top_logprob[i]);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

static void pair_of(struct jsonout *j, const char *key, double one, double two)
{
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    jsonout_double(j, one);
    jsonout_double(j, two);
    jsonout_end(j, ']');
}

static void write_neurons(const struct minimal *m, struct jsonout *j, const char *key, size_t which)
{
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    for (size_t i = 0; i < m->n_listed; i++) {
        const size_t at = m->listed[which][i], d_mlp = m->model->config.d_mlp;
        char name[MINIMAL_NAME];
        snprintf(name, sizeof name, "L%zuN%zu", at / d_mlp, at % d_mlp);
        jsonout_begin(j, '{');
        jsonout_key(j, "neuron");
        jsonout_string(j, name);
        pair_of(j, "effect", m->effects[0][at], m->effects[1][at]);
        jsonout_key(j, "activation");
        jsonout_floats(j, (float[]){m->post[0][at], m->post[1][at]}, 2);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}

static void write_attribution(const struct minimal *m, struct jsonout *j)
{
    jsonout_key(j, "attribution");
    jsonout_begin(j, '{');
    jsonout_key(j, "parts");
    jsonout_begin(j, '{');
    for (size_t i = 0; i < m->n_components; i++) {
        char name[ATTRIBUTION_NAME];
        attribution_component_name(m->model, i, name);
        pair_of(j, name, m->components[0][i], m->components[1][i]);
    }
    jsonout_end(j, '}');
    if (m->n_neurons > 0) {
        jsonout_key(j, "neurons");
        jsonout_begin(j, '{');
        write_neurons(m, j, "one", 0);
        write_neurons(m, j, "two", 1);
        write_neurons(m, j, "change", 2);
        jsonout_end(j, '}');
    }
    jsonout_end(j, '}');
}

// --- patching -----------------------------------------------------------------------------------

/* {"difference", "effect"} of a value. */
static void write_patched(const struct minimal *m, struct jsonout *j, size_t k, double difference)
{
    jsonout_begin(j, '{');
    number(j, "difference", difference);
    number(j, "effect", minimal_effect(m, k, difference));
    jsonout_end(j, '}');
}

/* The same of values[n], as two arrays. */
static void write_row(const struct minimal *m, struct jsonout *j, size_t k, const double *values)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "difference");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < m->n; i++) {
        jsonout_double(j, values[i]);
    }
    jsonout_end(j, ']');
    jsonout_key(j, "effect");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < m->n; i++) {
        jsonout_double(j, minimal_effect(m, k, values[i]));
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

static void write_positions(const struct minimal *m, struct jsonout *j, size_t k)
{
    const size_t n_layers = m->model->config.n_layers;
    char name[MINIMAL_NAME];
    jsonout_key(j, "resid_pre");
    jsonout_begin(j, '[');
    for (size_t l = 0; l < n_layers; l++) {
        write_row(m, j, k, m->resid_pre[k] + l * m->n);
    }
    jsonout_end(j, ']');
    jsonout_key(j, "positions");
    jsonout_begin(j, '{');
    for (size_t i = 0; i < n_layers * m->per_layer; i++) {
        minimal_component_name(&m->model->config, i, name);
        jsonout_key(j, name);
        write_row(m, j, k, m->at[k] + i * m->n);
    }
    jsonout_end(j, '}');
}

static void write_patched_neurons(const struct minimal *m, struct jsonout *j, size_t k)
{
    jsonout_key(j, "neurons_tried");
    jsonout_u64(j, m->n_tried);
    jsonout_key(j, "neurons");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < m->n_patched; i++) {
        const struct minimal_neuron *neuron = &m->neurons[k][i];
        char name[MINIMAL_NAME];
        snprintf(name, sizeof name, "L%zuN%zu", neuron->layer, neuron->index);
        jsonout_begin(j, '{');
        jsonout_key(j, "neuron");
        jsonout_string(j, name);
        number(j, "difference", neuron->difference);
        number(j, "effect", minimal_effect(m, k, neuron->difference));
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}

/* What patching into prompt k does. */
static void write_patching(const struct minimal *m, struct jsonout *j, size_t k)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "components");
    jsonout_begin(j, '{');
    for (size_t i = 0; i < m->model->config.n_layers * m->per_layer; i++) {
        char name[MINIMAL_NAME];
        minimal_component_name(&m->model->config, i, name);
        jsonout_key(j, name);
        write_patched(m, j, k, m->patched[k][i]);
    }
    jsonout_end(j, '}');
    if (m->options.positions) {
        write_positions(m, j, k);
    }
    if (m->options.neurons > 0) {
        write_patched_neurons(m, j, k);
    }
    jsonout_end(j, '}');
}

void minimal_view_json(const struct minimal *m, const struct prompts *p, struct jsonout *j)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "model");
    jsonout_string(j, m->name);
    jsonout_key(j, "prompts");
    jsonout_begin(j, '[');
    write_output(m, p, j, 0);
    write_output(m, p, j, 1);
    jsonout_end(j, ']');
    write_attribution(m, j);
    jsonout_key(j, "patching_into");
    jsonout_begin(j, '[');
    write_patching(m, j, 0);
    write_patching(m, j, 1);
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}
