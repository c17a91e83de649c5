#include "scan/cli/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scan/cli/args.h"
#include "scan/cli/progress.h"
#include "scan/cli/stop_signals.h"

#define AUTO "auto"
#define MOST_SECONDS 1e9
#define SAVE_LEAST 30.0
#define SAVE_MOST 600.0

/* A variable that says which task this is. */
struct source {
    const char *name;
    const char *of;  // variable with the number of tasks: of one task it says nothing; NULL: none
    const char *ask; // how the tasks are to be asked for: with the last one's number, or how many
    bool last;       // that number is the last one's
    size_t from;     // the number of the first task
    int engine;      // variables of the same engine may both be set, to the same number
};

static const struct source sources[] = {
    {"SLURM_ARRAY_TASK_ID", NULL, "sbatch --array=0-", true, 0, 0},
    {"JOB_COMPLETION_INDEX", NULL, "completions: ", false, 0, 1},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "mpirun -n ", false, 0, 2},
    {"PMI_RANK", "PMI_SIZE", "mpirun -n ", false, 0, 2},
    {"PARALLEL_SEQ", NULL, "parallel ... ::: $(seq ", false, 1, 3},
};
#define N_SOURCES (sizeof sources / sizeof *sources)

/* Reads a whole number of at most nine digits; false: 'text' is none. */
static bool read_number(const char *text, size_t *n)
{
    const size_t digits = strspn(text, "0123456789");
    *n = digits > 0 && digits <= 9 && !text[digits] ? strtoul(text, NULL, 10) : 0;
    return digits > 0 && digits <= 9 && !text[digits];
}

/* Does the variable speak of this task?  A program that is started alone may have a rank, too. */
static bool speaks(const struct source *s)
{
    const char *of = s->of ? getenv(s->of) : NULL;
    return getenv(s->name) && !(of && strcmp(of, "1") == 0);
}

static int set_none(const char *text, struct err *err)
{
    return err_set(err, ERR_USAGE,
                   "--part %s: none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX, "
                   "OMPI_COMM_WORLD_RANK, PMI_RANK and PARALLEL_SEQ is set, so this is no task "
                   "of many; give the part's number",
                   text);
}

/* The one that says it; two of different engines are refused, as one may count within the other. */
static int find(const char *text, const struct source **found, size_t *number, struct err *err)
{
    *found = NULL;
    for (const struct source *s = sources; s < sources + N_SOURCES; s++) {
        size_t n;
        if (!speaks(s)) {
            continue;
        }
        if (!read_number(getenv(s->name), &n)) {
            return err_set(err, ERR_USAGE, "--part %s: %s is \"%s\", which is no whole number",
                           text, s->name, getenv(s->name));
        }
        if (*found && ((*found)->engine != s->engine || n != *number)) {
            return err_set(err, ERR_USAGE,
                           "--part %s: %s is %s and %s is %s: it is not clear which of them "
                           "counts the parts; give the part's number, or unset one",
                           text, (*found)->name, getenv((*found)->name), s->name, getenv(s->name));
        }
        *found = *found ? *found : s;
        *number = n;
    }
    return *found ? 0 : set_none(text, err);
}

int task_part(const char *command, const char *text, size_t *part, size_t *n_parts, struct err *err)
{
    const struct source *s;
    size_t n, number = 0;
    if (!text || strncmp(text, AUTO "/", strlen(AUTO "/")) != 0) {
        return args_part(text, part, n_parts, err);
    }
    if (!read_number(text + strlen(AUTO "/"), &n) || n == 0) {
        return err_set(err, ERR_USAGE, "--part %s: expected " AUTO "/N, with N from 1", text);
    }
    int rc = find(text, &s, &number, err);
    if (rc) {
        return rc;
    }
    if (number < s->from || number - s->from >= n) {
        return err_set(err, ERR_USAGE,
                       "--part %s: %s is %zu, and the parts are tasks %zu to %zu: %s%zu%s", text,
                       s->name, number, s->from, n - 1 + s->from, s->ask, s->last ? n - 1 : n,
                       strchr(s->ask, '(') ? ")" : "");
    }
    *part = number - s->from;
    *n_parts = n;
    fprintf(stderr, "gapscope %s: --part %zu/%zu: %s is %zu\n", command, *part, n, s->name, number);
    return 0;
}

/* From the end of a job, in seconds since 1970. */
static int before_end(double *seconds, struct err *err)
{
    const char *text = getenv("SLURM_JOB_END_TIME");
    if (!text) {
        return err_set(err, ERR_USAGE,
                       "--stop-after auto: SLURM_JOB_END_TIME is not set, so the time limit is not "
                       "known; give seconds, or set it to the job's end, in seconds since 1970 "
                       "(the script of gapscope slurm does)");
    }
    char *end;
    const double at = strtod(text, &end), left = at - (double)time(NULL);
    if (end == text || *end || !(at >= 0 && at < 1e11)) {
        return err_set(err, ERR_USAGE,
                       "--stop-after auto: SLURM_JOB_END_TIME is \"%s\", which is no time in "
                       "seconds since 1970",
                       text);
    }
    if (left > MOST_SECONDS) {
        *seconds = 0;
        return 0;
    }
    const double save = fmin(fmax(left / 10, SAVE_LEAST), SAVE_MOST);
    *seconds = fmax(left - fmin(save, left / 2), 1e-3);
    return 0;
}

int task_stop_after(const char *text, double *moment, struct err *err)
{
    double seconds = 0;
    *moment = 0;
    int rc = 0;
    if (text && strcmp(text, AUTO) == 0) {
        rc = before_end(&seconds, err);
    } else if (text) {
        rc = args_real("stop-after", text, 1e-3, MOST_SECONDS, &seconds, err);
    }
    *moment = seconds > 0 ? progress_clock() + seconds : 0;
    return rc;
}

void task_stop(const struct task_options *o, double moment)
{
    if (o->exit_again) {
        stop_signals_again();
    }
    if (moment > 0) {
        stop_signals_after(moment - progress_clock());
    }
}
