#include <stdio.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "corpora/base/plural.h"
#include "out/store/meta.h"
#include "scan/cli/progress.h"
#include "scan/cli/stop_signals.h"
#include "scan/work/scan_internal.h"
#include "scan/work/skip_trials.h"
#include "scan/work/summary.h"
#include "scan/work/trials.h"

static int stopped_by(void)
{
    return atomic_load(&stop_signals()->stop);
}

static bool trials_are_done(const struct scan *s)
{
    return meta_says(s->store, "trigrams_tested");
}

/* Of the bugs of skip-trigrams. */
static bool skips_are_done(const struct scan *s)
{
    return meta_says(s->store, "skips");
}

/* Tries the trigrams of a finished run on its models.  *left: it was stopped before. */
static int try_trigrams(struct scan *s, const struct trials *trials, bool *left, struct err *err)
{
    const double begin = progress_clock();
    size_t n = 0;
    const int rc = trials_run(trials, s->store, &n, err);
    if (!rc && stopped_by() && !trials_are_done(s)) {
        fprintf(stderr, "stopped before the trigrams were tested: run the same command again\n");
        *left = true;
    } else if (!rc) {
        fprintf(stderr, "  trigrams: tested %zu%s on the models, in %.1f s\n", n,
                s->run.n_pairs > 0 ? " that beat the base" : "", progress_clock() - begin);
        summary_look("trigrams", s->options->output, NULL);
    }
    return rc;
}

/* And the bugs of its skip-trigrams. */
static int try_skips(struct scan *s, const struct trials *trials, bool *left, struct err *err)
{
    const double begin = progress_clock();
    size_t n = 0;
    const int rc = skip_trials_run(trials, s->store, &n, err);
    if (!rc && stopped_by() && !skips_are_done(s)) {
        fprintf(stderr,
                "stopped before the skip-trigrams were tested: run the same command again\n");
        *left = true;
    } else if (!rc) {
        fprintf(stderr, "  skip-trigrams: %zu bug%s, in %.1f s\n", n, plural_s(n),
                progress_clock() - begin);
        summary_look("skips", s->options->output, NULL);
    }
    return rc;
}

/* What is due, and not done. */
static bool trigrams_are_due(const struct scan *s)
{
    return trials_are_due(&s->run, &s->results) && !trials_are_done(s);
}

static bool skips_are_due(const struct scan *s)
{
    return skip_trials_are_due(&s->run, &s->results) && !skips_are_done(s);
}

bool scan_trials_are_due(const struct scan *s)
{
    return trigrams_are_due(s) || skips_are_due(s);
}

int scan_try_all(struct scan *s, bool *left, struct err *err)
{
    const struct engine **engines = mem_new(s->lineup.n, sizeof *engines);
    if (!engines) {
        return err_nomem(err, "trials");
    }
    for (size_t i = 0; i < s->lineup.n; i++) {
        const struct predictor *p = &s->engines.predictors[i];
        engines[i] = p->family ? NULL : p->engine;
    }
    const struct trials trials = {.run = &s->run,
                                  .results = &s->results,
                                  .engines = engines,
                                  .n_threads = s->pipeline.n_threads,
                                  .stop = &stop_signals()->stop,
                                  .command = "scan",
                                  .status = &stop_signals()->status};
    int rc = trigrams_are_due(s) ? try_trigrams(s, &trials, left, err) : 0;
    rc = rc || !skips_are_due(s) || *left ? rc : try_skips(s, &trials, left, err);
    free(engines);
    return rc;
}
