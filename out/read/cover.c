#include "out/read/cover.h"

#include <stdlib.h>

#include "corpora/base/mem.h"
#include "out/read/place.h"
#include "out/read/row_json.h"

/* Which examples a hypothesis labels: labels[rule * n_examples + example]. */
struct labels {
    bool *labels;
    bool *covered; // [n_examples]
};

static void read_rules(struct cover *c, struct reader *r)
{
    sqlite3_stmt *stmt = reader_query(
        r, "SELECT id, name, tokens * 1.0 / tokens_seen FROM hypothesis ORDER BY id", NULL);
    while (reader_step(r, stmt)) {
        if (!reader_take(r, mem_reserve(&c->rules, &c->rules_cap, c->n_rules + 1, sizeof *c->rules,
                                        "hypotheses", r->err))) {
            c->rules[c->n_rules++] = (struct cover_rule){.id = sqlite3_column_int64(stmt, 0),
                                                         .name = column_strdup(r, stmt, 1),
                                                         .prevalence = column_real(stmt, 2)};
        }
    }
    sqlite3_finalize(stmt);
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
    const size_t n = list_length(ids);
    for (size_t i = 0; i < n; i++) {
        const size_t rule = find_rule(c, json_object_get_int64(json_object_array_get_idx(ids, i)));
        if (rule < c->n_rules && !l->labels[rule * c->n_examples + example]) {
            l->labels[rule * c->n_examples + example] = true;
            c->rules[rule].labelled++;
        }
    }
}

static void read_labels(struct cover *c, struct labels *l, struct reader *r, const int64_t key[3])
{
    size_t size;
    if (!mem_mul(c->n_rules, c->n_examples, &size)) {
        reader_take(r, err_nomem(r->err, "labels"));
        return;
    }
    l->labels = reader_new(r, size, 1);
    l->covered = reader_new(r, c->n_examples, 1);
    c->steps = reader_new(r, c->n_rules, sizeof *c->steps);
    sqlite3_stmt *stmt = reader_query(
        r,
        "SELECT labels FROM example WHERE model = ?1 AND layer = ?2 AND idx = ?3 AND kind = 'top'",
        key);
    for (size_t i = 0; i < c->n_examples && reader_step(r, stmt); i++) {
        struct json_object *ids = column_json(stmt, 0);
        mark(c, l, i, ids);
        json_object_put(ids);
    }
    sqlite3_finalize(stmt);
}

bool cover_is_broad(const struct cover_rule *r)
{
    return r->prevalence > COVER_BROAD;
}

/* The rule that covers most of what is left, its number in rule->more; n_rules: none covers any. */
static size_t best_rule(struct cover *c, const struct labels *l)
{
    size_t best = c->n_rules;
    for (size_t k = 0; k < c->n_rules; k++) {
        struct cover_rule *r = &c->rules[k];
        if (r->taken || r->labelled == 0 || cover_is_broad(r)) {
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

int cover_read(struct cover *c, struct reader *r, const int64_t key[3])
{
    struct labels l = {0};
    read_rules(c, r);
    c->n_examples = (size_t)reader_number(r,
                                          "SELECT count(*) FROM example WHERE model = ?1"
                                          " AND layer = ?2 AND idx = ?3 AND kind = 'top'",
                                          key);
    read_labels(c, &l, r, key);
    if (!r->rc) {
        choose(c, &l);
    }
    free(l.labels);
    free(l.covered);
    return r->rc;
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

static void json_rule(struct jsonout *j, const struct cover_rule *r, bool step)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "hypothesis");
    jsonout_i64(j, r->id);
    jsonout_key(j, "name");
    json_text(j, r->name);
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
        if (c->rules[i].labelled > 0 && cover_is_broad(&c->rules[i])) {
            json_rule(j, &c->rules[i], false);
        }
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}
