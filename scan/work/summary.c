#include "scan/work/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "corpora/base/plural.h"
#include "corpora/base/shell_quote.h"
#include "corpora/reject.h"
#include "out/read/real_text.h"
#include "out/results/gaps/gaps_collector.h"
#include "out/results/neurons/neurons_collector.h"
#include "scan/cli/progress.h"
#include "scan/load/nothing_read.h"
#include "scan/plan/pairs.h"

/* What the shards have together; the places of rejects are not filled in. */
static struct tally_shard total_of(const struct tally *t)
{
    struct tally_shard all = {0};
    for (size_t i = 0; i < t->shape->n_shards; i++) {
        const struct tally_shard *s = &t->shards[i];
        all.docs += s->docs;
        all.tokens += s->tokens;
        all.skipped += s->skipped;
        all.repaired += s->repaired;
        for (size_t k = 0; k < REJECT_N; k++) {
            all.rejects[k].n += s->rejects[k].n;
        }
    }
    return all;
}

uint64_t summary_tokens(const struct results *r)
{
    return total_of(gaps_of(r)).tokens;
}

uint64_t summary_docs(const struct results *r)
{
    return total_of(gaps_of(r)).docs;
}

uint64_t summary_skipped(const struct results *r)
{
    return total_of(gaps_of(r)).skipped;
}

int summary_check_docs(const struct results *r, uint64_t docs, const struct shards *shards,
                       const char *field, struct err *err)
{
    const struct tally_shard all = total_of(gaps_of(r));
    uint64_t n[REJECT_N];
    if (docs > 0 || all.skipped == 0) {
        return 0;
    }
    for (size_t k = 0; k < REJECT_N; k++) {
        n[k] = all.rejects[k].n;
    }
    struct record_keys keys;
    record_keys_of_shards(&keys, shards);
    return nothing_read(n, field, &keys, err);
}

uint64_t summary_not_finite(const struct results *r)
{
    const struct tally *t = gaps_of(r);
    uint64_t n = 0;
    for (size_t m = 0; m < t->shape->n_models; m++) {
        n += t->models[m].n_not_finite;
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

/* What the texts have in place of bytes that are no UTF-8, in the same words as tokenize. */
static void print_repaired(const struct run *run, const struct tally *tally)
{
    uint64_t n = 0;
    size_t n_shards = 0, first = 0;
    for (size_t i = run->n_shards; i-- > 0;) {
        if (tally->shards[i].repaired > 0) {
            n += tally->shards[i].repaired;
            n_shards++;
            first = i;
        }
    }
    if (n > 0) {
        char text[REPAIRED_TEXT];
        fprintf(stderr, "  %s, in %s", repaired_text(text, n), run->shards[first].name);
        if (n_shards > 1) {
            fprintf(stderr, " and %zu more", n_shards - 1);
        }
        fputc('\n', stderr);
    }
}

/* Hypotheses that were not what was hoped for: those that gave up on documents, and those that
 * labelled nothing. */
static void print_hypotheses(const struct run *run, const struct tally *tally)
{
    const uint64_t docs = total_of(tally).docs;
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
                    " documents, which its statistics leave out (gapscope label "
                    "says why)\n",
                    run->hypotheses[h].name, aborted, docs);
        }
    }
}

/* What was said when the scan began, or in the middle of it. */
static void print_windows(const struct lineup *lineup, const struct pipeline_result *r)
{
    struct buf shrunk = {0};
    if (lineup_shrunk(lineup, &shrunk, NULL) == 0 && shrunk.len > 0) {
        fprintf(stderr, "  %s\n", shrunk.data);
    }
    buf_free(&shrunk);
    if (r->skipped > 0) {
        fprintf(stderr, "  %" PRIu64 " special token%s of this run %s context, counted nowhere\n",
                r->skipped, plural_s(r->skipped), r->skipped == 1 ? "is" : "are");
    }
    if (r->double_bos > 0) {
        fprintf(stderr,
                "  %" PRIu64 " document%s of this run begin%s with BOS: it stands there twice\n",
                r->double_bos, plural_s(r->double_bos), r->double_bos == 1 ? "s" : "");
    }
}

static void print_models(const struct run *run, const struct tally *tally)
{
    const size_t n = run_full_models(run);
    for (size_t m = 0; m < run->n_models; m++) {
        if (m >= n && tally->models[m].n_not_finite == 0) {
            continue;
        }
        const struct tally_model_sums *t = &tally->models[m];
        const struct moments *l = &t->logprob;
        if (l->n && m < n) {
            char se[REAL_TEXT];
            fprintf(stderr, "  %-24s loss %.4f +- %s nats per token\n", run->models[m].name,
                    -moments_mean(l), real_text(se, moments_se(l), 4, false));
        }
        if (t->n_not_finite) {
            fprintf(stderr,
                    "  %-24s %" PRIu64 " of %" PRIu64 " log-probs are not finite: no mean and no "
                    "gap has them\n",
                    run->models[m].name, t->n_not_finite, l->n + t->n_not_finite);
        }
    }
}

/* Pairs of changed models that counted nothing, of a share without a document. */
static void print_unasked(const struct run *run, const struct tally *tally)
{
    size_t n = 0;
    for (size_t p = run_full_pairs(run); p < run->n_pairs; p++) {
        n += tally->pairs[p].difference.n == 0;
    }
    if (n > 0) {
        fprintf(
            stderr,
            "  %zu changed model%s counted no token: no document is in their share, or none has "
            "a donor (--ablate-share)\n",
            n, plural_s(n));
    }
}

#define LOSSES 5 // that are shown

/* Where most is lost without a component, of brief pairs. */
static void print_losses(const struct run *run, const struct tally *tally)
{
    bool shown[LOSSES] = {false};
    size_t which[LOSSES];
    for (size_t k = 0; k < LOSSES; k++) {
        for (size_t p = run_full_pairs(run); p < run->n_pairs; p++) {
            const struct moments *d = &tally->pairs[p].difference;
            bool better = d->n > 0;
            for (size_t i = 0; i < k && better; i++) {
                better = !shown[i] || which[i] != p;
            }
            better = better && (!shown[k] ||
                                moments_mean(d) > moments_mean(&tally->pairs[which[k]].difference));
            which[k] = better ? p : which[k];
            shown[k] = shown[k] || better;
        }
        if (shown[k]) {
            char se[REAL_TEXT];
            const struct moments *d = &tally->pairs[which[k]].difference;
            fprintf(stderr, "%s  %-24s %+.4f +- %s nats per token\n",
                    k == 0 ? "  loss without the components that matter most:\n" : "",
                    run->models[run->pairs[which[k]].base].name, moments_mean(d),
                    real_text(se, moments_se(d), 4, false));
        }
    }
}

void summary_look(const char *command, const char *output, const char *operand)
{
    char *file = shell_quoted(output), *more = operand ? shell_quoted(operand) : NULL;
    if (file && (more || !operand)) {
        fprintf(stderr, "look: gapscope %s %s%s%s\n", command, file, more ? " " : "",
                more ? more : "");
    } else {
        mem_lost();
    }
    free(file);
    free(more);
}

void summary_print(const struct run *run, const struct results *results,
                   const struct lineup *lineup, const char *output, const struct pipeline_result *r)
{
    const struct tally *t = gaps_of(results);
    const struct neurons_shape *neurons = neurons_shape_in(results);
    char took[32], se[REAL_TEXT];
    progress_time(took, r->seconds);
    fprintf(stderr,
            "%" PRIu64 " token%s in %" PRIu64 " unit%s, %" PRIu64
            " of them now, in %s (%.0f tokens per second)\n",
            summary_tokens(results), plural_s(summary_tokens(results)), run_count_done(run),
            plural_s(run_count_done(run)), r->tokens, took,
            r->seconds > 0 ? (double)r->tokens / r->seconds : 0);
    print_models(run, t);
    for (size_t i = 0; i < run_full_pairs(run); i++) {
        const struct moments *g = &t->pairs[i].gap;
        char *name = pair_name(&run->pairs[i], lineup);
        if (g->n && name) {
            fprintf(stderr,
                    "  %-24s mean gap %+.4f +- %s nats; the other is better on %.1f %% of tokens\n",
                    name, moments_mean(g), real_text(se, moments_se(g), 4, false),
                    100 * (double)t->pairs[i].other_better / (double)g->n);
        }
        free(name);
    }
    if (run_full_pairs(run) > 0 && summary_tokens(results)) {
        fprintf(stderr, "  (better: a gap above 0; where both are below the floor it is 0)\n");
    }
    print_losses(run, t);
    if (summary_tokens(results)) {
        print_unasked(run, t);
    }
    print_hypotheses(run, t);
    print_rejects(run, t);
    print_repaired(run, t);
    print_windows(lineup, r);
    if (summary_tokens(results) == 0) {
        fprintf(stderr, "  no token was predicted%s: there is nothing to look at\n",
                r->docs == 0 && summary_skipped(results) == 0 ? ", for the corpus is empty" : "");
        return;
    }
    if (run_full_pairs(run) > 0) {
        summary_look("top", output, NULL);
    }
    if (run_full_pairs(run) < run->n_pairs) {
        summary_look("top --ablated", output, NULL);
    }
    if (run->n_hypotheses) {
        summary_look("hypo", output, NULL);
    }
    if (neurons) {
        char *name = NULL;
        if (asprintf(&name, "%s:L0N0", run->models[neurons->layers[0].model].name) >= 0) {
            summary_look("neuron", output, name);
            free(name);
        } else {
            mem_lost();
        }
    }
    summary_look("report -o report.html", output, NULL);
}
