#include "scan/plan/skip_choice.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/skips/skips_collector.h"

#define WINDOW ((size_t)64) // where the rule does not say

// --- the rule -----------------------------------------------------------------------------------

/* Sets the number of this name; false: there is none, or it is out of bounds. */
static bool set_number(struct skips_rule *r, const char *name, size_t len, double value,
                       size_t n_ctx)
{
    const bool whole = value == floor(value);
    if (len == 4 && strncmp(name, "most", len) == 0 && whole && value >= 1 && value <= SKIP_MOST) {
        r->most = (size_t)value;
    } else if (len == 6 && strncmp(name, "window", len) == 0 && whole &&
               value >= SKIPS_WINDOW_LEAST && value <= (double)n_ctx) {
        r->window = (size_t)value;
    } else if (len == 8 && strncmp(name, "frequent", len) == 0 && value >= 0 && value < 1) {
        r->frequent = value;
    } else {
        return false;
    }
    return true;
}

/* Parses one "name=value" at the beginning of 'text' and returns its length; 0: there is none. */
static size_t parse_one(struct skips_rule *r, const char *text, size_t n_ctx)
{
    const size_t len = strcspn(text, "="), end = strcspn(text, ",");
    char *stop = NULL;
    if (len + 1 >= end) {
        return 0;
    }
    const double value = strtod(text + len + 1, &stop);
    return stop == text + end && set_number(r, text, len, value, n_ctx) ? end : 0;
}

int skip_choice_rule_parse(struct skips_rule *out, const char *text, size_t n_ctx, struct err *err)
{
    *out = (struct skips_rule){
        .most = 500, .window = n_ctx < WINDOW ? n_ctx : WINDOW, .frequent = 1e-6};
    for (const char *at = text; at && *at;) {
        const size_t len = parse_one(out, at, n_ctx);
        if (len == 0) {
            return err_set(err, ERR_USAGE,
                           "--skip-rule %s: \"%.*s\" is not part of a rule; expected most=N (1 to "
                           "%d), window=N (%d to %zu, the model's n_ctx), frequent=SHARE (below 1)",
                           text, (int)strcspn(at, ","), at, SKIP_MOST, SKIPS_WINDOW_LEAST, n_ctx);
        }
        at += len + (at[len] == ',');
    }
    return 0;
}

// --- the run ------------------------------------------------------------------------------------

static int check_base(const struct lineup_model *m, struct err *err)
{
    static const char way_out[] =
        "give an attention-only model first, or a --pair BASE:OTHER that begins with one";
    if (!m->weights) {
        return err_set(err, ERR_USAGE, "--skips: the base %s is counts, which have no heads: %s",
                       m->name, way_out);
    }
    if (m->changes.n > 0) {
        return err_set(err, ERR_USAGE, "--skips: the base %s is a changed model: %s", m->name,
                       way_out);
    }
    if (!m->config->attn_only) {
        return err_set(err, ERR_USAGE, "--skips: the base %s has an MLP: %s", m->name, way_out);
    }
    if (m->config->n_ctx < SKIPS_WINDOW_LEAST) {
        return err_set(err, ERR_USAGE, "--skips: the base %s has windows of %zu tokens: too few",
                       m->name, m->config->n_ctx);
    }
    return 0;
}

int skip_choice_describe(struct skip_choice *out, struct results *results, const struct run *run,
                         const struct skip_choice_options *o, const struct lineup *l,
                         struct err *err)
{
    struct skip_shape *shape = NULL;
    if (!o->skips) {
        return o->rule     ? err_set(err, ERR_USAGE, "--skip-rule goes with --skips")
               : o->copies ? err_set(err, ERR_USAGE, "--skip-copies goes with --skips")
                           : 0;
    }
    const uint32_t base = run_full_pairs(run) > 0 ? run->pairs[0].base : 0;
    const struct lineup_model *m = &l->models[base];
    int rc = check_base(m, err);
    rc = rc ? rc : skip_choice_rule_parse(&out->rule, o->rule, m->config->n_ctx, err);
    rc = rc ? rc : skip_shape_new(&shape, run, base, err);
    if (rc) {
        return rc;
    }
    out->given = true;
    out->base = base;
    out->rule.copies = o->copies;
    if (m->config->n_layers > 1) {
        fprintf(stderr,
                "gapscope scan: skip-trigrams are those of the heads of %s's first layer: later "
                "heads read what others wrote\n",
                m->name);
    }
    return results_join(results, &skips_collector, shape, err);
}

void skip_choice_json(struct jsonout *j, const struct skip_choice *c)
{
    if (!c->given) {
        return;
    }
    jsonout_key(j, "skips");
    jsonout_begin(j, '{');
    jsonout_key(j, "base");
    jsonout_u64(j, c->base);
    jsonout_key(j, "most");
    jsonout_u64(j, c->rule.most);
    jsonout_key(j, "window");
    jsonout_u64(j, c->rule.window);
    jsonout_key(j, "frequent");
    jsonout_double(j, c->rule.frequent);
    jsonout_key(j, "copies");
    jsonout_u64(j, c->rule.copies);
    jsonout_end(j, '}');
}
