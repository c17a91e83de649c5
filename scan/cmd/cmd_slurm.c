#include "scan/cmd/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/path_error.h"
#include "corpora/base/plural.h"
#include "scan/cli/args.h"
#include "scan/cli/progress.h"
#include "scan/cmd/slurm_script.h"
#include "scan/work/scan.h"

#define RESTARTS 3      // in a row without a new unit
#define UNITS_A_PART 4  // at least, where the number of parts is not given
#define PARTS_MOST 1001 // Slurm's MaxArraySize, where nobody has raised it
#define MEMORY_MORE 1.2 // than was measured and computed

struct options {
    const char *time, *memory, *partition, *output;
    size_t parts, cpus;
    bool submit;
};

/* A command at work. */
struct slurm {
    const struct options *options;
    struct slurm_script script;
    struct scan_estimate estimate;
    char *program, *directory, *target, *folder; // the script's
};

// --- options ------------------------------------------------------------------------------------

/* Words that stand in a #SBATCH line as they are. */
static int check_word(const char *option, const char *text, const char *allowed, const char *what,
                      struct err *err)
{
    return !text || (*text && !text[strspn(text, allowed)])
               ? 0
               : err_set(err, ERR_USAGE, "--%s %s: expected %s", option, text, what);
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static int check(const struct options *o, const struct arg_list *words, struct err *err)
{
    if (strcmp(words->items[0], "scan") != 0) {
        return err_set(err, ERR_USAGE, "%s: expected scan, and its words, behind --",
                       words->items[0]);
    }
    for (size_t i = 0; i < words->n; i++) {
        if (strcmp(words->items[i], "--") == 0) {
            return err_set(err, ERR_USAGE,
                           "--, behind scan: the script adds options at the end; leave it out, and "
                           "write ./-name for a file whose name begins with -");
        }
    }
    if (o->parts > 1000000 || o->cpus > 1024) {
        return err_set(err, ERR_USAGE, "--parts: at most 1000000; --cpus: at most 1024");
    }
    const size_t digits = o->memory ? strspn(o->memory, DIGITS) : 0;
    if (o->memory && strcmp(o->memory, "auto") != 0 &&
        (digits == 0 || digits > 9 || strspn(o->memory + digits, "KMGT") > 1 ||
         o->memory[digits + strspn(o->memory + digits, "KMGT")])) {
        return err_set(err, ERR_USAGE, "--mem %s: expected auto, or a size as 900M or 4G",
                       o->memory);
    }
    return check_word("partition", o->partition, LETTERS DIGITS "_.,-", "names of partitions", err);
}

/* Options of the scan that the script gives itself, or that do not go with parts. */
static int check_scan(const struct options *o, struct scan_options *scan, struct err *err)
{
    const struct {
        bool is_given;
        const char *why;
    } refused[] = {
        {scan->part, "--part: the script gives it"},
        {scan->dry_run, "--dry-run: gapscope slurm makes one itself"},
        {scan->force, "--force: a part that is queued again would start anew; remove the files"},
        {scan->max_tokens, "--max-tokens does not go with parts"},
        {scan->restarts, "--restarts: the script gives it"},
        {scan->task.exit_again, "--exit-again: Slurm itself begins again what it has stopped"},
        {scan->task.stop_after && strcmp(scan->task.stop_after, "auto") == 0,
         "--stop-after auto: the script gives it"},
        {o->cpus && scan->threads && o->cpus != scan->threads,
         "--threads: the script gives as many as --cpus"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (refused[i].is_given) {
            return err_set(err, ERR_USAGE, "%s", refused[i].why);
        }
    }
    return 0;
}

// --- paths --------------------------------------------------------------------------------------

/* The absolute path of a file that need not be there; its folder must. */
static int find_target(struct slurm *s, const char *output, struct err *err)
{
    char *folder = NULL, *name = file_base_name(output);
    const char *slash = strrchr(output, '/');
    char *given = slash ? strndup(output, (size_t)(slash - output) + 1) : strdup(".");
    int rc = 0;
    if (!given || !name) {
        rc = err_nomem(err, "a path");
    } else if (!(folder = realpath(given, NULL))) {
        rc = path_write_error(output, errno, err);
    } else if (access(output, F_OK) == 0) {
        rc =
            err_set(err, ERR_USAGE, "%s is there already: name another file, or remove it", output);
    } else {
        s->target = file_join(folder, name);
        rc = s->target && asprintf(&s->folder, "%s.parts", s->target) >= 0
                 ? 0
                 : err_nomem(err, "a path");
    }
    free(given);
    free(folder);
    free(name);
    return rc;
}

static int find_paths(struct slurm *s, const char *output, struct err *err)
{
    if (!output) {
        return err_set(err, ERR_USAGE, "-o run.db is missing behind scan");
    }
    s->program = realpath("/proc/self/exe", NULL);
    s->directory = realpath(".", NULL);
    return s->program && s->directory
               ? find_target(s, output, err)
               : err_set(err, ERR_IO, "the path of gapscope, or of this folder: %s",
                         strerror(errno));
}

// --- the plan -----------------------------------------------------------------------------------

/* Bytes as megabytes of --mem, with some more (a shell runs, too), in steps of 100. */
static uint64_t megabytes(double bytes)
{
    return (uint64_t)(ceil(bytes * MEMORY_MORE / 1e6 / 100 + 1) * 100);
}

static void set_sizes(struct slurm *s)
{
    const struct scan_estimate *e = &s->estimate;
    struct slurm_script *script = &s->script;
    const double once = e->models + (double)e->kept.whole + (double)e->kept.saving;
    const double limit = (double)script->minutes * 60;
    const double all = e->units * e->unit_seconds / (double)script->cpus;
    script->memory_mb = megabytes(once + (double)script->cpus * e->thread);
    script->merge_mb = megabytes(once + (double)e->kept.whole);
    if (script->parts == 0) { // half of the limit each
        const double most = fmax(1, floor(e->units / UNITS_A_PART));
        script->parts = (size_t)fmin(fmin(fmax(1, ceil(all / (limit / 2))), most), PARTS_MOST);
    }
}

/* On standard error: what the script asks for, and what will not do. */
static void print_plan(const struct slurm *s)
{
    const struct scan_estimate *e = &s->estimate;
    const struct slurm_script *script = &s->script;
    char all[32], each[32], limit[32];
    const double seconds = e->units * e->unit_seconds;
    const double part = seconds / (double)script->parts / (double)script->cpus;
    progress_time(all, seconds);
    progress_time(each, fmax(part, e->unit_seconds));
    progress_time(limit, (double)script->minutes * 60);
    fprintf(stderr,
            "gapscope slurm: about %.0f unit%s of %.2g s, %s of one thread in all: %zu part%s of "
            "%zu CPU%s and %" PRIu64 " MB, about %s each, limit %s\n",
            ceil(e->units), plural_s((uint64_t)ceil(e->units)), e->unit_seconds, all, script->parts,
            plural_s(script->parts), script->cpus, plural_s(script->cpus), script->memory_mb, each,
            limit);
    if (e->unit_seconds > (double)script->minutes * 6) {
        fprintf(stderr,
                "gapscope slurm: warning: a unit takes more than a tenth of the time limit, and "
                "what is not finished when it ends is lost: raise --time\n");
    }
    if ((double)script->parts > ceil(e->units)) {
        fprintf(stderr,
                "gapscope slurm: warning: more parts than units: some have nothing to do\n");
    }
    if (script->parts > PARTS_MOST) {
        fprintf(stderr, "gapscope slurm: warning: many clusters allow arrays of at most %d tasks\n",
                PARTS_MOST);
    }
}

/* The words of the scan have been parsed: command_stand_in. */
static int plan(void *context, void *options, const struct arg_list *operands, int *status,
                struct err *err)
{
    struct slurm *s = context;
    struct scan_options *scan = options;
    struct scan work = {0};
    int rc = check_scan(s->options, scan, err);
    rc = rc ? rc : find_paths(s, scan->output, err);
    if (rc) {
        return rc;
    }
    s->script.cpus = s->options->cpus ? s->options->cpus : scan->threads ? scan->threads : 4;
    s->script.record = scan->record;
    s->script.stop_after = scan->task.stop_after;
    scan->task.stop_after = NULL; // the first unit is to be measured whole
    scan->threads = s->script.cpus;
    rc = scan_open(&work, scan, operands, err);
    rc = rc ? rc : scan_estimate(&work, &s->estimate, status, err);
    scan_close(&work);
    if (!rc && !*status && s->estimate.units == 0) {
        rc = err_set(err, ERR_NOT_FOUND, "the corpus holds no document");
    }
    return rc;
}

// --- the script ---------------------------------------------------------------------------------

static int write_script(const struct slurm *s, const char *path, struct err *err)
{
    struct outfile out = {0};
    int rc = outfile_open(&out, path, err);
    rc = rc ? rc : slurm_script_write(out.stream, &s->script, err);
    rc = rc ? rc : outfile_commit(&out, err);
    outfile_discard(&out);
    return rc;
}

/* Runs "bash SCRIPT submit", which prints the jobs. */
static int submit(const char *path, int *status, struct err *err)
{
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        char *copy = strdup(path);
        char *argv[] = {(char[]){"bash"}, copy, (char[]){"submit"}, NULL};
        execvp("bash", argv);
        _exit(127);
    }
    int how = 0;
    while (pid > 0 && waitpid(pid, &how, 0) < 0 && errno == EINTR) {
    }
    *status = pid > 0 && WIFEXITED(how) && WEXITSTATUS(how) == 0 ? 0 : 1;
    return *status ? err_set(err, ERR_IO,
                             "%s: could not be submitted (sbatch says why, above); mend that, then "
                             "bash it with the word submit",
                             path)
                   : 0;
}

static int make(struct slurm *s, int *status, struct err *err)
{
    const struct options *o = s->options;
    char *path = NULL;
    s->script.program = s->program;
    s->script.directory = s->directory;
    s->script.output = s->target;
    s->script.folder = s->folder;
    set_sizes(s);
    print_plan(s);
    if (!o->submit) {
        return write_script(s, o->output, err);
    }
    if (!o->output && mkdir(s->folder, 0777) != 0 && errno != EEXIST) {
        return path_write_error(s->folder, errno, err);
    }
    path = o->output ? strdup(o->output) : file_join(s->folder, "gapscope.sbatch");
    int rc = path ? write_script(s, path, err) : err_nomem(err, "a path");
    rc = rc ? rc : submit(path, status, err);
    free(path);
    return rc;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct options *o = options;
    struct slurm s = {.options = o, .script.parts = o->parts, .script.restarts = RESTARTS};
    s.script.partition = o->partition;
    s.script.memory = o->memory && strcmp(o->memory, "auto") != 0 ? o->memory : NULL;
    int rc = check(o, operands, err);
    rc = rc ? rc : slurm_minutes(o->time, &s.script.minutes, err);
    // getopt moves words about: the scan gets a list of its own, and the script the first one.
    char **words = rc ? NULL : mem_zero(operands->n + 1, sizeof *words);
    char **moved = rc ? NULL : mem_zero(operands->n + 1, sizeof *moved);
    if (!rc && (!words || !moved)) {
        rc = err_nomem(err, "words");
    }
    bool whole = !rc;
    for (size_t i = 0; i < operands->n && whole; i++) {
        words[i] = moved[i] = strdup(operands->items[i]);
        whole = words[i];
    }
    if (!rc && !whole) {
        rc = err_nomem(err, "words");
    }
    if (!rc) {
        s.script.words = words + 1;
        s.script.n_words = operands->n - 1;
        *status = command_run_instead(cmd_scan, (int)operands->n, moved, plan, &s);
        rc = *status ? 0 : make(&s, status, err);
    }
    for (size_t i = 0; words && i < operands->n; i++) {
        free(words[i]);
    }
    free(words);
    free(moved);
    free(s.program);
    free(s.directory);
    free(s.target);
    free(s.folder);
    return rc;
}

int cmd_slurm(int argc, char **argv)
{
    struct options o = {.time = "4:00:00"};
    const struct arg args[] = {
        {"parts", 0, ARG_SIZE, &o.parts, "N",
         "parts of the scan; if not given, so many that each takes\nhalf of the time limit"},
        {"time", 0, ARG_STRING, &o.time, "T",
         "time limit of a part, as sbatch takes it; 4:00:00 if not\ngiven.  A part is saved before "
         "it, and queued again"},
        {"cpus", 0, ARG_SIZE, &o.cpus, "C", "cores of a part, and threads; 4 if not given"},
        {"mem", 0, ARG_STRING, &o.memory, "auto|SIZE",
         "memory of a part; auto (if not given): what the dry run says"},
        {"partition", 0, ARG_STRING, &o.partition, "P", "partition of the cluster"},
        {"submit", 0, ARG_FLAG, &o.submit, NULL, "submit it, and print the numbers of the jobs"},
        {"output", 'o', ARG_STRING, &o.output, "FILE",
         "write the script to FILE instead of standard output"},
        {0}};
    const struct command command = {
        .name = "slurm",
        .usage = "[options] -- scan --model M [options of scan] -o run.db CORPUS...",
        .summary =
            "Makes a script for Slurm's sbatch that does a scan in parts, as tasks of an array:\n"
            "each saves before its time limit and is queued again, and a job after them merges\n"
            "the parts.  The first unit is scanned here, to know how much memory and time it "
            "takes.",
        .args = args,
        .n_min = 1,
        .n_max = (size_t)-1,
        .operands = "-- scan",
        .operand_kind = OPERAND_TEXT,
        .examples =
            "gapscope slurm --time 2:00:00 -o job.sh -- scan -m gelu-1l -o run.db corpus.zst\n"
            "gapscope slurm --parts 8 --submit -- scan -m gelu-1l -o run.db corpus.zst",
        .more = "bash FILE submit [OPTION OF SBATCH]... submits a script that was written to FILE, "
                "e.g.\nwith --account=NAME.  Parts and logs are in run.db.parts.",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
