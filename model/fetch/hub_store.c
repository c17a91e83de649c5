#include "model/fetch/hub_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "model/fetch/fetch_hash.h"
#include "model/load/hub_cache.h"

int hub_store_open(struct hub_store *out, const char *kind, const char *repo, struct err *err)
{
    struct hub_store s = {0};
    int rc = hub_cache_folder(&s.cache, err);
    rc = rc ? rc : hub_cache_repo(&s.folder, kind, repo, err);
    if (!rc && !s.folder) {
        rc = err_set(err, ERR_NOT_FOUND, "there is no home folder: set HF_HUB_CACHE to a folder");
    }
    if (rc) {
        hub_store_close(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void hub_store_close(struct hub_store *s)
{
    free(s->cache);
    free(s->folder);
    *s = (struct hub_store){0};
}

static char *join3(const char *a, const char *b, const char *c)
{
    char *ab = file_join(a, b);
    char *abc = ab && c ? file_join(ab, c) : NULL;
    if (!c) {
        return ab;
    }
    free(ab);
    return abc;
}

char *hub_store_path(const struct hub_store *s, const char *a, const char *b)
{
    return join3(s->folder, a, b);
}

static int system_error(const char *path, struct err *err)
{
    return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
}

int hub_store_make_folders(const char *path, struct err *err)
{
    char *copy = strdup(path);
    int rc = copy ? 0 : err_nomem(err, "a path");
    for (char *at = copy; !rc && (at = strchr(at + 1, '/'));) {
        *at = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
            rc = system_error(copy, err);
        }
        *at = '/';
    }
    free(copy);
    return rc;
}

/* Writes a small file under another name and renames it. */
static int write_file(const char *path, const char *text, struct err *err)
{
    struct outfile out = {0};
    int rc = hub_store_make_folders(path, err);
    rc = rc ? rc : outfile_open(&out, path, err);
    if (!rc) {
        fputs(text, out.stream);
        rc = outfile_commit(&out, err);
    }
    outfile_discard(&out);
    return rc;
}

int hub_store_make_cache(const struct hub_store *s, struct err *err)
{
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                              "# This directory is a cache: its files can be downloaded again.\n";
    char *path = file_join(s->cache, "CACHEDIR.TAG");
    if (!path) {
        return err_nomem(err, "a path");
    }
    const int rc = access(path, F_OK) == 0 ? 0 : write_file(path, tag, err);
    free(path);
    return rc;
}

int hub_store_lock(const struct hub_store *s, const char *etag, void (*waiting)(void), int *fd,
                   struct err *err)
{
    struct buf path = {0};
    const char *name = strrchr(s->folder, '/');
    *fd = -1;
    int rc = buf_printf(&path, err, "%s/.locks%s/%s.lock", s->cache, name ? name : "", etag);
    rc = rc ? rc : buf_append(&path, "", 1, err);
    rc = rc ? rc : hub_store_make_folders(path.data, err);
    if (!rc) {
        *fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
    }
    buf_free(&path);
    if (rc || *fd < 0) {
        return rc; // some file systems have no locks: then there is none
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        if (waiting) {
            waiting();
        }
        while (flock(*fd, LOCK_EX) != 0 && errno == EINTR) {
        }
    }
    return 0;
}

void hub_store_unlock(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

/* "../../blobs/<etag>", with as many ".." as the name needs. */
static int link_target(struct buf *out, const char *etag, const char *name, struct err *err)
{
    int rc = buf_append(out, "../../", 6, err);
    for (const char *at = name; *at && !rc; at++) {
        rc = *at == '/' ? buf_append(out, "../", 3, err) : 0;
    }
    rc = rc ? rc : buf_printf(out, err, "blobs/%s", etag);
    return rc ? rc : buf_append(out, "", 1, err);
}

/* Copies a file under another name and renames it. */
static int copy_file(const char *from, const char *to, struct err *err)
{
    char bytes[1 << 16];
    struct outfile out = {0};
    FILE *f = fopen(from, "rb");
    int rc = f ? outfile_open(&out, to, err) : system_error(from, err);
    for (size_t n; !rc && (n = fread(bytes, 1, sizeof bytes, f)) > 0;) {
        fwrite(bytes, 1, n, out.stream);
    }
    rc = !rc && ferror(f) ? system_error(from, err) : rc;
    rc = rc ? rc : outfile_commit(&out, err);
    outfile_discard(&out);
    if (f) {
        fclose(f);
    }
    return rc;
}

/* Whether 'path' is a file as long as the blob: files of a commit never change. */
static bool is_copy(const char *path, const char *blob)
{
    struct stat ours, theirs;
    return lstat(path, &ours) == 0 && S_ISREG(ours.st_mode) && stat(blob, &theirs) == 0 &&
           ours.st_size == theirs.st_size;
}

/* Makes the link, or a copy where links are not wanted or not possible. */
static int put_link(const char *target, const char *path, const char *blob, struct err *err)
{
    char now[300];
    const ssize_t n = readlink(path, now, sizeof now - 1);
    if (n > 0 && (size_t)n == strlen(target) && strncmp(now, target, (size_t)n) == 0) {
        return 0;
    }
    if (hub_cache_says("HF_HUB_DISABLE_SYMLINKS")) {
        return is_copy(path, blob) ? 0 : copy_file(blob, path, err);
    }
    struct buf beside = {0};
    int rc = buf_printf(&beside, err, "%s.tmp-%ld", path, (long)getpid());
    rc = rc ? rc : buf_append(&beside, "", 1, err);
    if (rc) {
        return rc;
    }
    unlink(beside.data);
    if (symlink(target, beside.data) != 0) {
        rc = copy_file(blob, path, err); // a file system without links
    } else if (rename(beside.data, path) != 0) {
        rc = system_error(path, err);
        unlink(beside.data);
    }
    buf_free(&beside);
    return rc;
}

int hub_store_link(const struct hub_store *s, const char *etag, const char *commit,
                   const char *name, char **path, struct err *err)
{
    struct buf target = {0};
    char *snapshot = hub_store_path(s, "snapshots", commit);
    char *at = snapshot ? file_join(snapshot, name) : NULL;
    char *blob = hub_store_path(s, "blobs", etag);
    int rc = at && blob ? link_target(&target, etag, name, err) : err_nomem(err, "a path");
    rc = rc ? rc : hub_store_make_folders(at, err);
    rc = rc ? rc : put_link(target.data, at, blob, err);
    if (!rc) {
        *path = at;
        at = NULL;
    }
    buf_free(&target);
    free(snapshot);
    free(at);
    free(blob);
    return rc;
}

int hub_store_set_ref(const struct hub_store *s, const char *revision, const char *commit,
                      struct err *err)
{
    char *now = NULL;
    int rc = strcmp(revision, commit) == 0 ? 0 : hub_store_ref(s, revision, &now, err);
    if (rc || strcmp(revision, commit) == 0 || (now && strcmp(now, commit) == 0)) {
        free(now);
        return rc;
    }
    free(now);
    char *path = hub_store_path(s, "refs", revision);
    rc = path ? write_file(path, commit, err) : err_nomem(err, "a path");
    free(path);
    return rc;
}

int hub_store_ref(const struct hub_store *s, const char *revision, char **commit, struct err *err)
{
    struct buf text = {0};
    *commit = NULL;
    if (fetch_hash_is(revision)) {
        *commit = strdup(revision);
        return *commit ? 0 : err_nomem(err, "a revision");
    }
    char *path = hub_store_path(s, "refs", revision);
    int rc = path ? 0 : err_nomem(err, "a path");
    if (!rc && file_is_regular(path)) {
        rc = file_read(path, 4096, &text, err);
        rc = rc ? rc : buf_append(&text, "", 1, err);
        if (!rc) {
            text.data[strspn(text.data, "0123456789abcdef")] = '\0';
            *commit = strdup(text.data);
            rc = *commit ? 0 : err_nomem(err, "a revision");
        }
    }
    buf_free(&text);
    free(path);
    return rc;
}
