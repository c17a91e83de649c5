#include "scan/work/part_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/path_error.h"
#include "out/store/meta.h"
#include "out/store/publish.h"

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool has_final_name(const struct part_file *f)
{
    return strcmp(f->path, f->name) == 0;
}

int part_file_choose(struct part_file *f, const char *name, bool is_part, bool anew,
                     struct err *err)
{
    char *partial = NULL;
    *f = (struct part_file){.name = name, .is_part = is_part};
    if (is_part && asprintf(&partial, "%s" STORE_PARTIAL, name) < 0) {
        return err_nomem(err, "a name");
    }
    if (is_part && !anew && is_there(name) && is_there(partial)) {
        err_set(err, ERR_USAGE,
                "%s is there, and so is %s, an unfinished part: remove the one that you do not "
                "want",
                name, partial);
        free(partial);
        return ERR_USAGE;
    }
    if (is_part && (anew || !is_there(name))) {
        f->path = partial;
        return 0;
    }
    free(partial);
    f->path = strdup(name);
    return f->path ? 0 : err_nomem(err, "a name");
}

void part_file_free(struct part_file *f)
{
    if (f->work) {
        unlink(f->work);
    }
    if (f->folder) {
        rmdir(f->folder);
    }
    free(f->work);
    free(f->folder);
    free(f->path);
    *f = (struct part_file){0};
}

/* Makes the folder of this process below that of --scratch. */
static int make_scratch(struct part_file *f, struct err *err)
{
    if (f->folder) {
        return 0;
    }
    char *folder = file_join(f->scratch, "gapscope-XXXXXX");
    char *work = folder && mkdtemp(folder) ? file_join(folder, "run.db") : NULL;
    if (!work) {
        const int rc = folder ? path_write_error(f->scratch, errno, err) : err_nomem(err, "a path");
        free(folder);
        return rc;
    }
    f->folder = folder;
    f->work = work;
    return 0;
}

int part_file_open(struct part_file *f, struct store **s, bool *exists, struct err *err)
{
    if (!f->scratch) {
        return store_open(s, f->path, exists, err);
    }
    int rc = make_scratch(f, err);
    if (!rc && is_there(f->path)) {
        // Opened where it is: whoever writes it is found out, and a checkpoint cut short is undone.
        rc = store_open(s, f->path, exists, err);
        store_close(*s);
        *s = NULL;
        rc = rc ? rc : publish_copy_file(f->path, f->work, err);
    }
    rc = rc ? rc : store_open(s, f->work, exists, err);
    return rc ? rc : store_publish_to(*s, f->path, err);
}

/* Renames the file; its folder is written to disk, so that the name outlives a power loss. */
static int move(const char *from, const char *to, struct err *err)
{
    if (rename(from, to) != 0) {
        return err_set(err, ERR_IO, "%s: could not be renamed to %s: %s", from, to,
                       strerror(errno));
    }
    const char *slash = strrchr(to, '/');
    char *folder = slash ? strndup(to, (size_t)(slash - to) + 1) : strdup(".");
    const int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd); // best effort: some file systems cannot
        close(fd);
    }
    free(folder);
    return 0;
}

int part_file_reopen(struct part_file *f, struct store **s, const struct run *run, struct err *err)
{
    char *partial = NULL;
    bool exists = false;
    if (!f->is_part || !has_final_name(f)) {
        return 0;
    }
    if (asprintf(&partial, "%s" STORE_PARTIAL, f->name) < 0) {
        return err_nomem(err, "a name");
    }
    // Closed first: SQLite makes its journal under the name that it knows.
    store_close(*s);
    *s = NULL;
    const int rc = move(f->name, partial, err);
    if (rc) {
        free(partial);
        return rc;
    }
    free(f->path);
    f->path = partial;
    const int opened = part_file_open(f, s, &exists, err);
    if (!opened && exists && meta_number(*s, "units_done") != run_count_done(run)) {
        return err_set(err, ERR_LIMIT, "%s: another process has written it meanwhile", f->path);
    }
    return opened;
}

int part_file_finish(struct part_file *f, struct store **s, struct err *err)
{
    if (!f->is_part || has_final_name(f)) {
        return 0;
    }
    store_close(*s);
    *s = NULL;
    return move(f->path, f->name, err);
}
