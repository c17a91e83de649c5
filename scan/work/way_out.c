/*
 * What helps where a scan has ended with an error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan/work/scan_internal.h"

/* Whether the error's message is about run.db. */
static bool is_of_run(const struct scan *s, const struct err *err)
{
    const size_t n = strlen(s->file.path);
    return strncmp(err->msg, s->file.path, n) == 0 && err->msg[n] == ':';
}

/* The file is no longer where the scan wrote it: says where it is, and what helps. */
static int say_gone(const struct scan *s, struct err *err)
{
    const char *path = s->file.path;
    const bool of_db = is_of_run(s, err);
    const char *said = of_db ? "" : err->msg, *then = of_db ? "" : "; ";
    const bool other = access(path, F_OK) == 0;
    char *moved = store_moved_to(s->store);
    if (moved) {
        err_set(err, err->code,
                "%s%s%s: it was moved to %s while the scan wrote it, and what was done until the "
                "last checkpoint is in there: move it back%s, then the same command resumes from "
                "there",
                said, then, path, moved, other ? ", in place of the file that is there now" : "");
    } else {
        err_set(err, err->code,
                "%s%s%s: it was deleted%s while the scan wrote it, so what was done is lost: %s",
                said, then, path, other ? " or replaced" : "",
                other ? "name another file with -o, or remove what is there now, and scan anew"
                      : "the same command starts anew");
    }
    free(moved);
    return (int)err->code;
}

int scan_way_out(const struct scan *s, struct err *err)
{
    const char *path = s->file.path;
    const enum err_code code = err->code;
    if (store_is_gone(s->store)) {
        return say_gone(s, err);
    }
    if (code == ERR_FORMAT && is_of_run(s, err)) {
        return err_set(err, code,
                       "%s: another program wrote into it while the scan did, so what was done is "
                       "lost: remove it, then the same command starts anew",
                       err->msg);
    }
    if (code == ERR_MISMATCH) {
        return err_set(
            err, code,
            "%s; what was done is in %s and belongs to the file as it was: put that back "
            "and run the same command to resume, or start anew with --force",
            err->msg, path);
    }
    return err_set(
        err, code,
        code == ERR_NOT_FOUND
            ? "%s; what was done is in %s: put the file back, then the same command "
              "resumes from there"
            : "%s; what was done is in %s; the same command resumes from there once this "
              "is mended (with a model, a corpus or a hypothesis that has changed it "
              "cannot: start anew with --force)",
        err->msg, path);
}
