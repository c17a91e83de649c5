#include "scan/count/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/bits.h"
#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/path_error.h"

// No corpus has as many units: a run that names a later one is damaged.
#define UNITS_MAX ((uint64_t)1 << 40)

int count_folder_open(struct count_folder *f, const char *path, const char *ext,
                      uint64_t fingerprint, struct err *err)
{
    *f = (struct count_folder){.lock = -1, .fingerprint = fingerprint};
    if (asprintf(&f->path, "%s%s", path, ext) < 0) {
        f->path = NULL;
        return err_nomem(err, "a path");
    }
    if (mkdir(f->path, 0777) != 0 && errno != EEXIST) {
        return path_write_error(f->path, errno, err);
    }
    char *lock = file_join(f->path, "lock");
    if (!lock) {
        return err_nomem(err, "a path");
    }
    f->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    const int failed = errno;
    free(lock);
    if (f->lock < 0) {
        return err_set(err, ERR_IO, "%s: %s", f->path, strerror(failed));
    }
    if (flock(f->lock, LOCK_EX | LOCK_NB) != 0) {
        return err_set(err, ERR_LIMIT, "%s: another process counts here", f->path);
    }
    return 0;
}

// --- units --------------------------------------------------------------------------------------

bool count_folder_has(const struct count_folder *f, uint64_t unit)
{
    return unit / 64 < f->done_cap && bits_get(f->done, unit);
}

uint64_t count_folder_n_units(const struct count_folder *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < f->n_runs; i++) {
        n += f->runs[i].info.n_units;
    }
    return n;
}

int count_folder_reserve(struct count_folder *f, uint64_t n_units, struct err *err)
{
    const size_t before = f->done_cap;
    const int rc =
        mem_reserve(&f->done, &f->done_cap, bits_words(n_units), sizeof *f->done, "units", err);
    if (!rc && f->done_cap > before) {
        memset(f->done + before, 0, (f->done_cap - before) * sizeof *f->done);
    }
    return rc;
}

static int add_unit(struct count_folder *f, uint64_t unit, struct err *err)
{
    if (unit >= UNITS_MAX) {
        return err_set(err, ERR_FORMAT, "a run names unit %" PRIu64, unit);
    }
    if (count_folder_has(f, unit)) {
        return err_set(err, ERR_FORMAT, "unit %" PRIu64 " is in two runs", unit);
    }
    const int rc = count_folder_reserve(f, unit + 1, err);
    if (!rc) {
        bits_set(f->done, unit);
    }
    return rc;
}

// --- runs ---------------------------------------------------------------------------------------

int count_folder_write(const struct count_folder *f, struct ngrams_keys *keys,
                       const uint64_t *units, size_t n_units, uint64_t docs, struct ngrams_run *run,
                       struct err *err)
{
    char *path = NULL;
    // A unit is in one run, so the first one names it.
    if (asprintf(&path, "%s/run-%010" PRIu64, f->path, units[0]) < 0) {
        return err_nomem(err, "a path");
    }
    const struct ngrams_run_info info = {
        .fingerprint = f->fingerprint, .docs = docs, .units = units, .n_units = n_units};
    int rc = ngrams_keys_write(keys, &info, path, err);
    rc = rc ? rc : ngrams_run_open(run, path, err);
    free(path);
    return rc;
}

int count_folder_take(struct count_folder *f, struct ngrams_run *run, struct err *err)
{
    int rc = mem_reserve(&f->runs, &f->runs_cap, f->n_runs + 1, sizeof *f->runs, "runs", err);
    for (size_t i = 0; i < run->info.n_units && !rc; i++) {
        rc = add_unit(f, run->info.units[i], err);
    }
    if (!rc) {
        f->runs[f->n_runs++] = *run;
        *run = (struct ngrams_run){0};
    }
    return rc;
}

// --- files --------------------------------------------------------------------------------------

/* What is done with the file 'path' of the folder. */
typedef int file_fn(struct count_folder *f, const char *path, bool force, struct err *err);

/* Calls each() for every file of ours in the folder but the lock. */
static int each_file(struct count_folder *f, file_fn *each, bool force, struct err *err)
{
    DIR *dir = opendir(f->path);
    if (!dir) {
        return err_set(err, ERR_IO, "%s: %m", f->path);
    }
    int rc = 0;
    for (struct dirent *e; !rc && (e = file_entry(dir, f->path, &rc, err));) {
        if (strncmp(e->d_name, "run-", 4) == 0 || strncmp(e->d_name, "table.", 6) == 0) {
            char *path = file_join(f->path, e->d_name);
            rc = path ? each(f, path, force, err) : err_nomem(err, "a path");
            free(path);
        }
    }
    closedir(dir);
    return rc;
}

static int remove_file(struct count_folder *f, const char *path, bool force, struct err *err)
{
    (void)f;
    (void)force;
    return unlink(path) && errno != ENOENT ? err_set(err, ERR_IO, "%s: %m", path) : 0;
}

/* Takes over a run of this count; removes what is not finished, or damaged.  A run that could not
 * be read for another reason stays. */
static int resume_file(struct count_folder *f, const char *path, bool force, struct err *err)
{
    struct ngrams_run run = {0};
    const char *name = path + strlen(f->path);
    if (!strstr(name, "run-") || strstr(name, ".tmp")) {
        return remove_file(f, path, force, err);
    }
    struct err why = {0};
    int rc = ngrams_run_open(&run, path, &why);
    if (rc == ERR_NOMEM || rc == ERR_IO) {
        return err_set(err, rc, "%s", why.msg);
    }
    if (rc) {
        return remove_file(f, path, force, err);
    }
    if (run.info.fingerprint == f->fingerprint) {
        rc = count_folder_take(f, &run, err);
    } else if (force) {
        rc = remove_file(f, path, force, err);
    } else {
        rc = err_set(err, ERR_MISMATCH,
                     "%s holds the counts of another corpus or of other settings; name another "
                     "file, or --force to start anew",
                     f->path);
    }
    ngrams_run_close(&run);
    return rc;
}

int count_folder_resume(struct count_folder *f, bool force, struct err *err)
{
    return each_file(f, resume_file, force, err);
}

void count_folder_remove(struct count_folder *f)
{
    each_file(f, remove_file, false, NULL);
    char *lock = file_join(f->path, "lock");
    if (lock) {
        unlink(lock);
    }
    free(lock);
    if (rmdir(f->path) != 0 && errno != ENOENT) {
        fprintf(stderr, "gapscope: %s stays and is of no use: it could not be removed: %s\n",
                f->path, strerror(errno));
    }
}

void count_folder_close(struct count_folder *f)
{
    for (size_t i = 0; i < f->n_runs; i++) {
        ngrams_run_close(&f->runs[i]);
    }
    free(f->runs);
    free(f->done);
    free(f->path);
    if (f->lock >= 0) {
        close(f->lock);
    }
    *f = (struct count_folder){.lock = -1};
}
