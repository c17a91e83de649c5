#include "scan/cmd/circuits_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/text/printable.h"
#include "out/text/table.h"
#include "scan/cmd/minimal_view.h"

#define LABEL ((size_t)20) // columns of what stands in front of a list of tokens

static int end_table(struct table *t, const struct screen *s, struct err *err)
{
    const int rc = table_put(t, s->to, 2, s->width, err);
    table_free(t);
    return rc;
}

static void put_head_name(struct table *t, const struct circuits_view *v, size_t number)
{
    table_cell(t, "L%zuH%zu", number / v->model->config.n_heads, number % v->model->config.n_heads);
}

// --- heads --------------------------------------------------------------------------------------

static int put_heads(const struct circuits_view *v, const struct screen *s, struct err *err)
{
    static const char *const heads[] = {"<head",     "<kind",       "previous", "duplicate",
                                        "induction", "bos",         "self",     "copying",
                                        "raw",       "by position", "most"};
    static const unsigned char spare[] = {6, 5, 10};
    struct table t = {.heads = heads,
                      .n_columns = sizeof heads / sizeof *heads,
                      .n_keys = 2,
                      .spare = spare,
                      .n_spare = sizeof spare};
    const struct config *c = &v->model->config;
    for (size_t i = 0; i < c->n_layers * c->n_heads; i++) {
        const struct head_scores *h = &v->scores[i];
        const struct circuits_positions *p = &v->positions[i];
        if (v->ask.one_head && i != v->ask.layer * c->n_heads + v->ask.index) {
            continue;
        }
        put_head_name(&t, v, i);
        table_text(&t, head_kind(i / c->n_heads, h));
        table_real(&t, h->previous_token, 3);
        table_real(&t, h->duplicate_token, 3);
        table_real(&t, h->induction, 3);
        table_real(&t, h->bos, 3);
        table_real(&t, h->self, 3);
        table_signed(&t, h->copying, 3);
        table_signed(&t, h->copying_raw, 3);
        table_real(&t, p->previous, 3);
        table_cell(&t, "%.3f at %zu", p->at_distance, p->distance);
    }
    minimal_view_head(s, v->ask.one_head ? "the head" : "heads");
    const int rc = end_table(&t, s, err);
    put_note(s, 2,
             "previous, duplicate, induction, bos, self: mean attention to the token before, to "
             "the same token before, to what came after that, to BOS, to the token itself, on %zu "
             "random sequences read twice; kind: those of 0.4 or more",
             HEAD_SCORES_SEQUENCES);
    put_note(s, 2,
             "copying: sum of Re lambda / sum of |lambda| of the OV circuit, folded and raw; 1: "
             "what it attends to is made more likely");
    put_note(s, 2,
             "by position: attention to the token before by positions alone, where all tokens are "
             "the mean embedding; most: to the distance that gets most. Layer 0 reads positions "
             "so; later layers read what stands behind other heads as well");
    return rc;
}

// --- composition --------------------------------------------------------------------------------

/* The folded pair of this rank; NULL: none. */
static size_t pair_of_rank(const struct circuits_view *v, enum composition_mode mode, size_t rank)
{
    size_t p = 0;
    while (v->folded.pairs[mode][p].rank != rank) {
        p++;
    }
    return p;
}

static void put_pair_row(struct table *t, const struct circuits_view *v, enum composition_mode mode,
                         size_t p)
{
    const struct composition_pair *folded = &v->folded.pairs[mode][p];
    const struct composition_pair *raw = &v->raw.pairs[mode][p];
    const size_t n_heads = v->model->config.n_heads;
    table_count(t, folded->rank);
    put_head_name(t, v, folded->from);
    table_text(t, head_kind(folded->from / n_heads, &v->scores[folded->from]));
    put_head_name(t, v, folded->to);
    table_text(t, head_kind(folded->to / n_heads, &v->scores[folded->to]));
    table_real(t, folded->score, 4);
    table_signed(t, composition_z(folded), 1);
    table_real(t, raw->score, 4);
    table_signed(t, composition_z(raw), 1);
    table_count(t, raw->rank);
}

static int put_mode(const struct circuits_view *v, enum composition_mode mode,
                    const struct screen *s, struct err *err)
{
    static const char *const heads[] = {"rank",  "<from", "<kind",     "<to",   "<kind",
                                        "score", "z",     "raw score", "raw z", "raw rank"};
    static const char *const reads[] = {"queries", "keys", "values"};
    static const unsigned char spare[] = {8, 7, 2};
    struct table t = {.heads = heads,
                      .n_columns = sizeof heads / sizeof *heads,
                      .n_keys = 2,
                      .spare = spare,
                      .n_spare = sizeof spare};
    size_t shown = 0, all = 0;
    for (size_t rank = 1; rank <= v->folded.n_pairs; rank++) {
        const size_t p = pair_of_rank(v, mode, rank);
        if (circuits_view_shows(v, &v->folded.pairs[mode][p])) {
            all++;
            if (shown < v->ask.top) {
                put_pair_row(&t, v, mode, p);
                shown++;
            }
        }
    }
    minimal_view_head(s, "%s-composition (later heads' %s): %zu of %zu pairs",
                      composition_mode_name(mode), reads[mode], shown, all);
    return end_table(&t, s, err);
}

static int put_composition(const struct circuits_view *v, const struct screen *s, struct err *err)
{
    int rc = 0;
    if (v->folded.n_pairs == 0) {
        minimal_view_head(s, "composition");
        put_note(s, 2, "one layer: no head reads what another writes");
        return 0;
    }
    for (int mode = 0; mode < COMPOSITION_MODES && !rc; mode++) {
        rc = put_mode(v, mode, s, err);
    }
    put_note(
        s, 2,
        "a later head's queries, keys or values read what an earlier head writes; score: |A B| / "
        "(|A| |B|) of what the one writes and the other reads; random bases "
        "give %.4f (root mean square, exactly 1/sqrt(d_model)); z: standard deviations above "
        "their mean, by %zu draws; rank: among all %zu pairs, by the folded score. Trained "
        "pairs are nearly all far from random: the rank says more than z",
        v->folded.rms, v->folded.draws, v->folded.n_pairs);
    return rc;
}

// --- tokens -------------------------------------------------------------------------------------

/* A token as a new string; the caller frees it.  NULL: no memory, which mem_was_lost() says. */
static char *label_of(const struct circuits_view *v, uint32_t id)
{
    const struct prompts names = {.tokenizer = v->ask.tokenizer};
    char text[PROMPTS_TEXT];
    size_t len;
    if (names.tokenizer && tokenizer_bytes(names.tokenizer, id, &len)) {
        prompts_text(&names, id, text);
    } else {
        snprintf(text, sizeof text, "%u", id);
    }
    return token_label(text);
}

static void put_token(const struct screen *s, const struct circuits_view *v, uint32_t id)
{
    char *label = label_of(v, id);
    show_text(s->to, label ? label : "", 0, SIZE_MAX);
    free(label);
}

/* "  raises            ·cat +2.10, ·dog +1.93, ..." in lines of the screen's width. */
static void put_list(const struct screen *s, const struct circuits_view *v, const char *label,
                     const struct circuits_list *l)
{
    size_t at = LABEL;
    fprintf(s->to, "    %-*s", (int)(LABEL - 4), label);
    for (size_t i = 0; i < l->n; i++) {
        char *token = label_of(v, l->ids[i]), value[32];
        snprintf(value, sizeof value, " %+.2f%s", l->values[i], i + 1 < l->n ? "," : "");
        const size_t width = (token ? show_width(token) : 0) + strlen(value);
        if (i > 0 && at + 1 + width > s->width) {
            fprintf(s->to, "\n%*s", (int)LABEL, "");
            at = LABEL;
        } else if (i > 0) {
            fputc(' ', s->to);
            at++;
        }
        show_text(s->to, token ? token : "", 0, SIZE_MAX);
        fputs(value, s->to);
        at += width;
        free(token);
    }
    fputc('\n', s->to);
}

static void put_row(const struct screen *s, const struct circuits_view *v,
                    const struct circuits_row *row)
{
    const bool qk = row->kind == CIRCUITS_QK;
    if (row->kind == CIRCUITS_DIRECT) {
        fputs("  after ", s->to);
    } else {
        fprintf(s->to, "  L%zuH%zu %s ", row->layer, row->index, qk ? "at" : "attends to");
    }
    put_token(s, v, row->token);
    fprintf(s->to, "\n    %-*s%+.2f (place %zu), raw %+.2f (place %zu)\n", (int)(LABEL - 4),
            "itself", row->own[0], row->own_rank[0], row->own[1], row->own_rank[1]);
    put_list(s, v, qk ? "looks for" : "raises", &row->lists[CIRCUITS_GREATEST]);
    put_list(s, v, qk ? "avoids" : "lowers", &row->lists[CIRCUITS_LEAST]);
    put_list(s, v, qk ? "looks for, raw" : "raises, raw", &row->lists[CIRCUITS_GREATEST_RAW]);
    put_list(s, v, qk ? "avoids, raw" : "lowers, raw", &row->lists[CIRCUITS_LEAST_RAW]);
    if (qk && v->query_at > 0) {
        put_list(s, v, "just before it", &row->lists[CIRCUITS_AT]);
    }
}

static void put_rows(const struct circuits_view *v, const struct screen *s)
{
    static const char *const heads[] = {
        [CIRCUITS_OV] = "OV: what attending to a token adds to the logits",
        [CIRCUITS_QK] = "QK: the attention scores that a token gives as a query",
        [CIRCUITS_DIRECT] = "the direct path: what a token itself adds to the logits",
    };
    for (int kind = CIRCUITS_OV; kind <= CIRCUITS_DIRECT; kind++) {
        bool any = false;
        for (size_t i = 0; i < v->n_rows; i++) {
            if ((int)v->rows[i].kind == kind) {
                if (!any) {
                    minimal_view_head(s, "%s", heads[kind]);
                }
                put_row(s, v, &v->rows[i]);
                any = true;
            }
        }
        if (any && kind == CIRCUITS_QK && v->query_at > 0) {
            put_note(
                s, 2,
                "just before it: the score with everything in it, position %zu looking at %zu, "
                "of a stream of embeddings alone, as layer 0 reads it; the rest is without "
                "positions",
                v->query_at, v->query_at - 1);
        }
    }
    const bool chosen = v->ask.n_sources == 0 && v->ask.n_queries == 0;
    put_note(s, 2, "%splace: among all tokens; --source T and --query T name tokens",
             chosen ? "tokens are those of the longest vectors; " : "");
}

int circuits_view_put(const struct circuits_view *v, const struct screen *s, struct err *err)
{
    const struct config *c = &v->model->config;
    minimal_view_head(s, "%s", v->name);
    put_note(s, 2, "%zu layer%s of %zu heads, d_model %zu, d_head %zu; from weights alone",
             c->n_layers, c->n_layers == 1 ? "" : "s", c->n_heads, c->d_model, c->d_head);
    put_note(s, 2,
             "folded unless it says raw: with the norms' weights and their centring, W_U less its "
             "mean over tokens, without biases and without the norms' scales; raw: the weights as "
             "stored");
    int rc = put_heads(v, s, err);
    rc = rc ? rc : put_composition(v, s, err);
    if (!rc && v->n_rows > 0) {
        put_rows(v, s);
    }
    return rc;
}
