#include "out/store/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/path_error.h"

#define PIECE ((size_t)1 << 20)

static void look(struct publish *p)
{
    p->exists = stat(p->target, &p->last) == 0;
}

int publish_begin(struct publish *p, const char *target, struct err *err)
{
    p->target = strdup(target);
    if (!p->target) {
        return err_nomem(err, "a path");
    }
    look(p);
    return 0;
}

void publish_end(struct publish *p)
{
    free(p->target);
    *p = (struct publish){0};
}

int publish_copy_file(const char *from, const char *to, struct err *err)
{
    struct outfile out = {0};
    char *piece = NULL;
    size_t n;
    FILE *f = fopen(from, "re");
    if (!f) {
        return path_read_error(from, errno, err);
    }
    int rc = outfile_open(&out, to, err);
    if (!rc && !(piece = malloc(PIECE))) {
        rc = err_nomem(err, "a copy");
    }
    while (!rc && (n = fread(piece, 1, PIECE, f)) > 0) {
        fwrite(piece, 1, n, out.stream); // an error shows when it is committed
    }
    if (!rc && ferror(f)) {
        rc = err_set(err, ERR_IO, "%s: reading failed", from);
    }
    if (!rc && fflush(out.stream) == 0) {
        fsync(fileno(out.stream));
    }
    rc = rc ? rc : outfile_commit(&out, err);
    outfile_discard(&out);
    free(piece);
    fclose(f);
    return rc;
}

int publish_copy(struct publish *p, const char *from, struct err *err)
{
    struct stat now;
    const bool exists = stat(p->target, &now) == 0;
    if (exists && (!p->exists || now.st_ino != p->last.st_ino || now.st_size != p->last.st_size ||
                   now.st_mtim.tv_sec != p->last.st_mtim.tv_sec ||
                   now.st_mtim.tv_nsec != p->last.st_mtim.tv_nsec)) {
        return err_set(err, ERR_LIMIT, "%s: another process has written it meanwhile", p->target);
    }
    const int rc = publish_copy_file(from, p->target, err);
    if (!rc) {
        look(p);
    }
    return rc;
}
