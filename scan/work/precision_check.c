#include "scan/work/precision_check.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "corpora/base/memstream.h"
#include "corpora/base/pool.h"
#include "corpora/base/stop.h"

// Tokens that a thread takes at a time.
#define JOB_TOKENS ((size_t)1024)

/* What the threads of a check share. */
struct check {
    const struct layout *layout;
    const struct engine *engine;
    const atomic_int *stop;
    size_t step;            // every step-th window is compared
    double *scored, *exact; // [n], of the windows that are compared, behind one another
    size_t n;
    pthread_mutex_t lock;
    size_t next, at; // window, and its place in scored and exact
};

/* Some of the windows that are compared, and the place of the first one's tokens. */
struct job {
    size_t from, to, at;
};

/* Takes the next job, of about JOB_TOKENS; false: there is none. */
static bool take(struct check *c, struct job *job)
{
    const struct layout *l = c->layout;
    size_t tokens = 0;
    pthread_mutex_lock(&c->lock);
    job->from = c->next;
    job->at = c->at;
    while (c->next < l->n_windows &&
           (tokens == 0 || tokens + l->windows[c->next].n <= JOB_TOKENS)) {
        tokens += l->windows[c->next].n;
        c->next += c->step;
    }
    c->at += tokens;
    job->to = c->next;
    pthread_mutex_unlock(&c->lock);
    return tokens > 0;
}

/* A job's windows, scored in the engine's precision and exactly. */
static void check_job(struct check *c, struct engine_ctx *ctx, const struct job *job,
                      struct engine_window *windows)
{
    const struct layout *l = c->layout;
    for (int exact = 0; exact < 2; exact++) {
        double *to = (exact ? c->exact : c->scored) + job->at;
        size_t n = 0;
        for (size_t i = job->from; i < job->to; i += c->step) {
            const struct layout_window *w = &l->windows[i];
            windows[n++] = (struct engine_window){
                .first = w->first, .tokens = l->ids + w->begin, .n = w->n, .logprob = to};
            to += w->n;
        }
        if (exact) {
            engine_score_exact(ctx, windows, n, c->stop);
        } else {
            engine_score(ctx, windows, n, c->stop);
        }
    }
}

/* pool_fn() */
static int check_jobs(void *context, struct pool *pool, struct err *err)
{
    struct check *c = context;
    struct engine_window *windows = NULL;
    struct engine_ctx *ctx = NULL;
    struct job job;
    size_t cap = 0;
    int rc = engine_ctx_new(&ctx, c->engine, err);
    while (!rc && !pool_is_stopped(pool) && !is_stopped(c->stop) && take(c, &job)) {
        const size_t n = (job.to - job.from) / c->step;
        rc = mem_reserve(&windows, &cap, n, sizeof *windows, "windows", err);
        if (!rc) {
            check_job(c, ctx, &job, windows);
        }
    }
    engine_ctx_free(ctx);
    free(windows);
    return rc;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* scored[n] becomes the sizes of the errors, ascending.  Where both are not finite, they agree, and
 * nothing is compared. */
static void summarise(struct precision_check *check, double *scored, const double *exact, size_t n)
{
    double sum = 0, bias = 0;
    const size_t all = n;
    n = 0;
    for (size_t i = 0; i < all; i++) {
        const double error = scored[i] - exact[i];
        if (isfinite(exact[i])) {
            bias += error;
            scored[n] = isnan(error) ? INFINITY : fabs(error);
            sum += scored[n++];
        } else if (isfinite(scored[i])) {
            scored[n++] = sum = INFINITY; // a number where the model gives none
        }
    }
    if (n == 0) {
        return;
    }
    qsort(scored, n, sizeof *scored, by_value);
    check->tokens = n;
    check->mean = sum / (double)n;
    check->bias = bias / (double)n;
    check->p99 = scored[(n * 99 + 99) / 100 - 1];
    check->most = scored[n - 1];
}

static int check_engine(struct precision_check *check, const struct engine *engine,
                        const struct layout *layout, size_t n_threads, const atomic_int *stop,
                        struct err *err)
{
    struct check c = {.layout = layout, .engine = engine, .stop = stop};
    c.step = 1 + layout->n / PRECISION_CHECK_TOKENS;
    for (size_t i = 0; i < layout->n_windows; i += c.step) {
        c.n += layout->windows[i].n;
    }
    c.scored = mem_new(c.n, sizeof *c.scored);
    c.exact = mem_new(c.n, sizeof *c.exact);
    if (!c.scored || !c.exact) {
        free(c.scored);
        free(c.exact);
        return err_nomem(err, "the first unit's log-probs");
    }
    pthread_mutex_init(&c.lock, NULL);
    const int rc = pool_run(n_threads, check_jobs, &c, err);
    pthread_mutex_destroy(&c.lock);
    if (!rc && !is_stopped(stop)) {
        summarise(check, c.scored, c.exact, c.n);
    }
    free(c.scored);
    free(c.exact);
    return rc;
}

static bool is_kept(const struct precision_check *check)
{
    const struct precision_promise p = precision_promise(check->used);
    return check->tokens == 0 ||
           (check->mean <= p.mean && check->p99 <= p.p99 && check->most <= p.most);
}

int precision_check_choose(struct engine **out, struct precision_check *check,
                           const struct model *model, const struct kern *kern, enum precision asked,
                           const struct layout *layout, size_t n_threads, const atomic_int *stop,
                           struct err *err)
{
    *out = NULL;
    for (enum precision p = asked;; p--) {
        *check = (struct precision_check){.asked = asked, .used = p};
        int rc = engine_new(out, model, kern, p, err);
        if (!rc && p != PRECISION_EXACT && layout->n > 0) {
            rc = check_engine(check, *out, layout, n_threads, stop, err);
        }
        if (rc || is_kept(check)) {
            if (rc) {
                engine_free(*out);
                *out = NULL;
            }
            return rc;
        }
        engine_free(*out);
        *out = NULL;
    }
}

char *precision_check_to_json(const struct precision_check *check)
{
    char *text = NULL;
    size_t len = 0;
    struct jsonout j = {.to = memstream_open(&text, &len)};
    if (!j.to) {
        return NULL;
    }
    jsonout_begin(&j, '{');
    jsonout_key(&j, "asked");
    jsonout_string(&j, precision_name(check->asked));
    jsonout_key(&j, "used");
    jsonout_string(&j, precision_name(check->used));
    jsonout_key(&j, "tokens");
    jsonout_u64(&j, check->tokens);
    const struct {
        const char *key;
        double value;
    } errors[] = {{"mean_error", check->mean},
                  {"bias", check->bias},
                  {"error_99", check->p99},
                  {"max_error", check->most}};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        jsonout_key(&j, errors[i].key);
        jsonout_float(&j, (float)errors[i].value);
    }
    jsonout_end(&j, '}');
    if (fclose(j.to) != 0) {
        free(text);
        return NULL;
    }
    text[len - 1] = '\0'; // the line's end
    return text;
}

enum precision precision_check_from_json(const char *text, enum precision asked)
{
    static const char key[] = "\"used\":\"";
    const char *at = text ? strstr(text, key) : NULL;
    for (int p = 0; at && p < 3; p++) {
        const char *name = precision_name((enum precision)p), *value = at + strlen(key);
        const size_t n = strlen(name);
        if (strncmp(value, name, n) == 0 && value[n] == '"') {
            return (enum precision)p;
        }
    }
    return asked;
}
