#include "scan/work/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpora/reject.h"
#include "out/read/standard_error.h"
#include "out/results/gaps/gaps_collector.h"
#include "out/results/neurons/neurons_collector.h"
#include "scan/cli/progress.h"
#include "scan/plan/pairs.h"

uint64_t summary_tokens(const struct results *r)
{
    const struct tally *t = gaps_of(r);
    uint64_t n = 0;
    for (size_t i = 0; i < t->shape->n_shards; i++) {
        n += t->shards[i].tokens;
    }
    return n;
}

uint64_t summary_skipped(const struct results *r)
{
    const struct tally *t = gaps_of(r);
    uint64_t n = 0;
    for (size_t i = 0; i < t->shape->n_shards; i++) {
        n += t->shards[i].skipped;
    }
    return n;
}

void summary_progress(const struct results *r, char text[SUMMARY_PROGRESS])
{
    const struct tally *t = gaps_of(r);
    size_t n = 0;
    const uint64_t skipped = summary_skipped(r);
    text[0] = '\0';
    if (t->shape->n_pairs > 0 && t->pairs[0].gap.n > 0) {
        n = (size_t)snprintf(text, SUMMARY_PROGRESS, ", mean gap %+.4f",
                             moments_mean(&t->pairs[0].gap));
    }
    if (skipped) {
        snprintf(text + n, SUMMARY_PROGRESS - n, ", %" PRIu64 " skipped", skipped);
    }
}

static void print_rejects(const struct run *run, const struct tally *tally)
{
    for (size_t i = 0; i < run->n_shards; i++) {
        for (unsigned reason = 0; reason < REJECT_N; reason++) {
            const struct tally_reject *r = &tally->shards[i].rejects[reason];
            if (r->n) {
                fprintf(stderr, "  %s: %" PRIu64 " x %s, first in line %" PRIu64 ": %s\n",
                        run->shards[i].name, r->n, reject_name((enum reject_reason)reason),
                        r->places[0].line, r->places[0].why);
            }
        }
    }
}

/* Hypotheses that were not what was hoped for: those that gave up on documents, and those that
 * labelled nothing. */
static void print_hypotheses(const struct run *run, const struct tally *tally)
{
    uint64_t docs = 0;
    for (size_t i = 0; i < run->n_shards; i++) {
        docs += tally->shards[i].docs;
    }
    const char *before = "  labelled nothing: ";
    for (size_t h = 0; h < run->n_hypotheses; h++) {
        const struct tally_hypothesis *t = &tally->hypotheses[h];
        if (t->tokens == 0 && t->seen > 0) {
            fprintf(stderr, "%s%s", before, run->hypotheses[h].name);
            before = ", ";
        }
    }
    fprintf(stderr, "%s", before[0] == ',' ? "\n" : "");
    for (size_t h = 0; h < run->n_hypotheses; h++) {
        const uint64_t aborted = tally->hypotheses[h].aborted;
        if (aborted > 0) {
            fprintf(stderr,
                    "  %-24s gave up on %" PRIu64 " of %" PRIu64
                    " documents, which its statistics leave out\n",
                    run->hypotheses[h].name, aborted, docs);
        }
    }
}

void summary_print(const struct run *run, const struct results *results,
                   const struct lineup *lineup, const char *output, const struct pipeline_result *r)
{
    const struct tally *t = gaps_of(results);
    const struct neurons_shape *neurons = neurons_shape_in(results);
    char took[32], se[STANDARD_ERROR_TEXT];
    progress_time(took, r->seconds);
    fprintf(stderr,
            "%" PRIu64 " tokens in %" PRIu64 " units, %" PRIu64
            " of them now, in %s (%.0f tokens per second)\n",
            summary_tokens(results), run_count_done(run), r->tokens, took,
            r->seconds > 0 ? (double)r->tokens / r->seconds : 0);
    for (size_t m = 0; m < run->n_models; m++) {
        const struct moments *l = &t->models[m].logprob;
        if (l->n) {
            fprintf(stderr, "  %-24s loss %.4f +- %s nats per token\n", run->models[m].name,
                    -moments_mean(l), standard_error_text(se, moments_se(l), 4));
        }
    }
    for (size_t i = 0; i < run->n_pairs; i++) {
        const struct moments *g = &t->pairs[i].gap;
        char *name = pair_name(&run->pairs[i], lineup);
        if (g->n && name) {
            fprintf(stderr,
                    "  %-24s mean gap %+.4f +- %s nats; the other is better on %.1f %% of tokens\n",
                    name, moments_mean(g), standard_error_text(se, moments_se(g), 4),
                    100 * (double)t->pairs[i].other_better / (double)g->n);
        }
        free(name);
    }
    print_hypotheses(run, t);
    print_rejects(run, t);
    if (run->n_pairs) {
        fprintf(stderr, "look: gapscope top %s\n", output);
    }
    if (run->n_hypotheses) {
        fprintf(stderr, "look: gapscope hypo %s\n", output);
    }
    if (neurons) {
        fprintf(stderr, "look: gapscope neuron %s %s:L0N0\n", output,
                run->models[neurons->layers[0].model].name);
    }
    fprintf(stderr, "look: gapscope report %s -o report.html\n", output);
}
