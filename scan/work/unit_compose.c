/*
 * What heads' inputs are made of at some tokens of a unit: their windows are run again, in f32.
 */
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/explain/composer.h"
#include "scan/work/unit_scores_internal.h"

_Static_assert(COMPOSER_INPUTS == UNIT_INPUTS, "queries, keys, values");

/* A call in hand. */
struct composing {
    struct unit_scores *s;
    const size_t *tokens; // [n]
    size_t n, next;       // next: that stands in no window before the block in hand
    bool *chosen;         // [rows of a block]
    unit_compose_see *see;
    void *seer;
};

int unit_some_windows(struct unit_scores *s, size_t model, const size_t *tokens, size_t n,
                      size_t *n_some, struct err *err)
{
    const struct engine_window *last = NULL;
    *n_some = 0;
    int rc = unit_scores_pick(s, model, NULL, 0, err); // sets its windows
    for (size_t i = 0; i < n && !rc; i++) {
        const struct engine_pick pick = layout_pick(s->layout, s->windows, tokens[i]);
        if (pick.window == last) {
            continue;
        }
        rc = mem_reserve(&s->some, &s->some_cap, *n_some + 1, sizeof *s->some, "windows", err);
        if (!rc) {
            s->some[(*n_some)++] = *pick.window;
            last = pick.window;
        }
    }
    return rc;
}

/* Marks the rows of the chosen tokens of a block.  Its first source of the first layer comes first,
 * so that the tokens go on where those of the block before ended. */
static void choose_rows(struct composing *g, const struct composed *c)
{
    size_t row = 0;
    memset(g->chosen, 0, c->n_rows * sizeof *g->chosen);
    for (size_t k = 0; k < c->n_windows; k++) {
        const size_t begin = (size_t)(c->windows[k].tokens - g->s->layout->ids);
        for (; g->next < g->n && g->tokens[g->next] < begin + c->windows[k].n; g->next++) {
            g->chosen[row + 1 + g->tokens[g->next] - begin] = true;
        }
        row += c->windows[k].n + 1;
    }
}

static void see_composed(void *context, const struct composed *c)
{
    struct composing *g = context;
    if (c->layer == 0 && c->source == 0) {
        choose_rows(g, c);
    }
    const struct unit_composed said = {.layer = c->layer,
                                       .source = c->source,
                                       .n_rows = c->n_rows,
                                       .chosen = g->chosen,
                                       .dot = c->dot,
                                       .square = c->square,
                                       .whole = c->whole};
    g->see(g->seer, &said);
}

int unit_ask_compose(void *context, size_t model, const size_t *tokens, size_t n,
                     unit_compose_see *see, void *seer, struct err *err)
{
    struct unit_scores *s = context;
    struct scorer *m = &s->scorers[model];
    struct composing g = {.s = s, .tokens = tokens, .n = n, .see = see, .seer = seer};
    size_t n_some;
    int rc = m->composer ? 0 : composer_new(&m->composer, m->predictor->engine, err);
    rc = rc ? rc : unit_some_windows(s, model, tokens, n, &n_some, err);
    if (rc) {
        return rc;
    }
    g.chosen = mem_new(engine_rows_max(m->predictor->engine), sizeof *g.chosen);
    if (!g.chosen) {
        return err_nomem(err, "composition");
    }
    rc = composer_run(m->composer, predictor_engine_ctx(m->ctx), s->some, n_some, see_composed, &g,
                      s->stop, err);
    free(g.chosen);
    return rc;
}
