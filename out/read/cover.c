#include "out/read/cover.h"

#include <stdlib.h>

#include "corpora/base/mem.h"

/* Which examples a hypothesis labels: labels[rule * n_examples + example]. */
struct labels {
    bool *labels;
    bool *covered; // [n_examples]
};

static int read_rules(struct cover *c, const struct view *v, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt =
        view_query(v, "SELECT id, name, tokens * 1.0 / tokens_seen FROM hypothesis ORDER BY id",
                   NULL, &rc, err);
    while (view_step(v, stmt, &rc, err)) {
        rc = mem_reserve(&c->rules, &c->rules_cap, c->n_rules + 1, sizeof *c->rules, "hypotheses",
                         err);
        if (!rc) {
            c->rules[c->n_rules++] = (struct cover_rule){.id = sqlite3_column_int64(stmt, 0),
                                                         .name = view_strdup(stmt, 1, &rc, err),
                                                         .prevalence = view_real(stmt, 2)};
        }
    }
    sqlite3_finalize(stmt);
    return rc;
}

static size_t find_rule(const struct cover *c, int64_t id)
{
    size_t i = 0;
    while (i < c->n_rules && c->rules[i].id != id) {
        i++;
    }
    return i;
}

static void mark(struct cover *c, struct labels *l, size_t example, struct json_object *ids)
{
    const size_t n = json_object_is_type(ids, json_type_array) ? json_object_array_length(ids) : 0;
    for (size_t i = 0; i < n; i++) {
        const size_t rule = find_rule(c, json_object_get_int64(json_object_array_get_idx(ids, i)));
        if (rule < c->n_rules && !l->labels[rule * c->n_examples + example]) {
            l->labels[rule * c->n_examples + example] = true;
            c->rules[rule].labelled++;
        }
    }
}

static int read_labels(struct cover *c, struct labels *l, const struct view *v,
                       const int64_t key[3], struct err *err)
{
    size_t size;
    int rc = 0;
    if (!mem_mul(c->n_rules, c->n_examples, &size) || !(l->labels = mem_zero(size, 1)) ||
        !(l->covered = mem_zero(c->n_examples, 1)) ||
        !(c->steps = mem_zero(c->n_rules, sizeof *c->steps))) {
        return err_nomem(err, "labels");
    }
    sqlite3_stmt *stmt = view_query(
        v,
        "SELECT labels FROM example WHERE model = ?1 AND layer = ?2 AND idx = ?3 AND kind = 'top'",
        key, &rc, err);
    for (size_t i = 0; i < c->n_examples && view_step(v, stmt, &rc, err); i++) {
        struct json_object *ids = view_json(stmt, 0);
        mark(c, l, i, ids);
        json_object_put(ids);
    }
    sqlite3_finalize(stmt);
    return rc;
}

static bool is_broad(const struct cover_rule *r)
{
    return r->prevalence > COVER_BROAD;
}

/* The rule that covers most of what is left, its number in rule->more; n_rules: none covers any. */
static size_t best_rule(struct cover *c, const struct labels *l)
{
    size_t best = c->n_rules;
    for (size_t k = 0; k < c->n_rules; k++) {
        struct cover_rule *r = &c->rules[k];
        if (r->taken || r->labelled == 0 || is_broad(r)) {
            continue;
        }
        r->more = 0;
        for (size_t i = 0; i < c->n_examples; i++) {
            r->more += l->labels[k * c->n_examples + i] && !l->covered[i];
        }
        const struct cover_rule *b = best < c->n_rules ? &c->rules[best] : NULL;
        if (r->more > 0 &&
            (!b || r->more > b->more || (r->more == b->more && r->prevalence < b->prevalence))) {
            best = k;
        }
    }
    return best;
}

static void choose(struct cover *c, struct labels *l)
{
    c->n_none = c->n_examples;
    for (size_t k; (k = best_rule(c, l)) < c->n_rules;) {
        c->rules[k].taken = true;
        c->steps[c->n_steps++] = k;
        c->n_none -= c->rules[k].more;
        for (size_t i = 0; i < c->n_examples; i++) {
            l->covered[i] = l->covered[i] || l->labels[k * c->n_examples + i];
        }
    }
}

int cover_read(struct cover *c, const struct view *v, const int64_t key[3], struct err *err)
{
    struct labels l = {0};
    int rc = read_rules(c, v, err);
    c->n_examples = (size_t)view_number(v,
                                        "SELECT count(*) FROM example WHERE model = ?1"
                                        " AND layer = ?2 AND idx = ?3 AND kind = 'top'",
                                        key, &rc, err);
    if (!rc) {
        rc = read_labels(c, &l, v, key, err);
    }
    if (!rc) {
        choose(c, &l);
    }
    free(l.labels);
    free(l.covered);
    return rc;
}

void cover_free(struct cover *c)
{
    for (size_t i = 0; i < c->n_rules; i++) {
        free(c->rules[i].name);
    }
    free(c->rules);
    free(c->steps);
    *c = (struct cover){0};
}

// --- what is shown -----------------------------------------------------------------------------

/* "base64 covers 14, then digits 3 more; " */
static int list_steps(const struct cover *c, struct buf *text, struct err *err)
{
    int rc = buf_printf(text, err, "%s", "");
    for (size_t i = 0; i < c->n_steps && !rc; i++) {
        const struct cover_rule *r = &c->rules[c->steps[i]];
        rc = buf_printf(text, err, i == 0 ? "%s covers %zu" : ", then %s %zu more", r->name,
                        r->more);
    }
    return rc || c->n_steps == 0 ? rc : buf_printf(text, err, "; ");
}

static int list_broad(const struct cover *c, struct buf *text, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < c->n_rules && !rc; i++) {
        const struct cover_rule *r = &c->rules[i];
        if (r->labelled > 0 && is_broad(r)) {
            rc = buf_printf(text, err, "%s%s (%.0f %% of all tokens, %zu of these)",
                            text->len > 0 ? ", " : "", r->name, 100 * r->prevalence, r->labelled);
        }
    }
    return rc;
}

int cover_put(const struct cover *c, const struct view *v, struct err *err)
{
    struct buf text = {0};
    if (c->n_examples == 0 || c->n_rules == 0) {
        return 0;
    }
    putc('\n', v->to);
    int rc = list_steps(c, &text, err);
    if (!rc) {
        view_note(v, 0, "top %zu examples: %.*s%zu by none", c->n_examples, (int)text.len,
                  text.data, c->n_none);
        text.len = 0;
        rc = list_broad(c, &text, err);
    }
    if (!rc && text.len > 0) {
        view_note(v, 2, "left out as too broad: %.*s", (int)text.len, text.data);
    }
    buf_free(&text);
    return rc;
}

static void json_rule(struct jsonout *j, const struct cover_rule *r, bool step)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "hypothesis");
    jsonout_i64(j, r->id);
    jsonout_key(j, "name");
    view_json_text(j, r->name);
    jsonout_key(j, "prevalence");
    jsonout_double(j, r->prevalence);
    jsonout_key(j, "labelled");
    jsonout_u64(j, r->labelled);
    if (step) {
        jsonout_key(j, "more");
        jsonout_u64(j, r->more);
    }
    jsonout_end(j, '}');
}

void cover_json(const struct cover *c, struct jsonout *j)
{
    jsonout_key(j, "cover");
    jsonout_begin(j, '{');
    jsonout_key(j, "examples");
    jsonout_u64(j, c->n_examples);
    jsonout_key(j, "by_none");
    jsonout_u64(j, c->n_none);
    jsonout_key(j, "steps");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < c->n_steps; i++) {
        json_rule(j, &c->rules[c->steps[i]], true);
    }
    jsonout_end(j, ']');
    jsonout_key(j, "broad");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < c->n_rules; i++) {
        if (c->rules[i].labelled > 0 && is_broad(&c->rules[i])) {
            json_rule(j, &c->rules[i], false);
        }
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}
