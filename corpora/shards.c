#include "corpora/shards.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/path_error.h"
#include "corpora/base/utf8_repair.h"
#include "corpora/stream.h"

#define END_BYTES ((size_t)64 << 10)

/* Reads the len bytes from 'at' on into 'to'. */
static int read_at(int fd, char *to, size_t len, uint64_t at, const char *path, struct err *err)
{
    size_t done = 0;
    while (done < len) {
        const ssize_t n = pread(fd, to + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
        }
        if (n == 0) {
            return err_set(err, ERR_MISMATCH, "%s: it became shorter while it was read", path);
        }
        done += (size_t)n;
    }
    return 0;
}

/* The size of an open file that can be read again. */
static int regular_size(int fd, const char *path, uint64_t *bytes, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return stream_refuse_folder(path, path, err);
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(err, ERR_IO,
                       "%s: is not a regular file; a scan must be able to read its corpus again: "
                       "write it to a file first",
                       path);
    }
    *bytes = (uint64_t)st.st_size;
    return 0;
}

/* Reads the size and hash of the file at 'path'. */
static int look(const char *path, uint64_t *bytes, uint64_t *hash, struct err *err)
{
    if (strcmp(path, "-") == 0) {
        return err_set(err, ERR_IO,
                       "-: standard input cannot be read again, as a scan must be able to; write "
                       "it to a file first");
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // else a pipe would block
    if (fd < 0) {
        return path_read_error(path, errno, err);
    }
    char *ends = NULL; // the file's beginning, then its end
    int rc = regular_size(fd, path, bytes, err);
    if (rc) {
        goto out;
    }
    const size_t n = *bytes < END_BYTES ? (size_t)*bytes : END_BYTES;
    ends = mem_new(2 * n, 1);
    if (!ends) {
        rc = err_nomem(err, "a shard's beginning and end");
        goto out;
    }
    rc = read_at(fd, ends, n, 0, path, err);
    if (!rc) {
        rc = read_at(fd, ends + n, n, *bytes - n, path, err);
    }
    if (!rc) {
        *hash = XXH64(ends, 2 * n, 0);
    }
out:
    free(ends);
    close(fd);
    return rc;
}

/* The name of a shard; the caller frees *out. */
static int name_of(char **out, const char *path, struct err *err)
{
    struct buf name = {0};
    uint64_t repaired = 0;
    char *base = file_base_name(path);
    int rc =
        base ? utf8_repair(&name, base, strlen(base), &repaired, err) : err_nomem(err, "a path");
    if (!rc) {
        rc = buf_append(&name, "", 1, err);
    }
    free(base);
    if (rc) {
        buf_free(&name);
        return rc;
    }
    *out = name.data;
    return 0;
}

static int shard_init(struct shard *s, const char *path, struct err *err)
{
    s->path = strdup(path);
    if (!s->path) {
        return err_nomem(err, "a path");
    }
    const int rc = look(path, &s->bytes, &s->hash, err);
    return rc ? rc : name_of(&s->name, path, err);
}

static int compare_identity(const struct shard *a, const struct shard *b)
{
    const int by_name = strcmp(a->name, b->name);
    if (by_name != 0) {
        return by_name;
    }
    if (a->bytes != b->bytes) {
        return a->bytes < b->bytes ? -1 : 1;
    }
    return a->hash == b->hash ? 0 : a->hash < b->hash ? -1 : 1;
}

static int compare(const void *a, const void *b)
{
    const struct shard *x = a, *y = b;
    const int by_identity = compare_identity(x, y);
    return by_identity != 0 ? by_identity : strcmp(x->path, y->path); // a fixed order for messages
}

/* Refuses a sorted list in which two shards have the same identity. */
static int check_distinct(const struct shards *s, struct err *err)
{
    for (size_t i = 1; i < s->n; i++) {
        const struct shard *a = &s->items[i - 1], *b = &s->items[i];
        if (compare_identity(a, b) != 0) {
            continue;
        }
        if (strcmp(a->path, b->path) == 0) {
            return err_set(err, ERR_MISMATCH, "%s: named twice", a->path);
        }
        return err_set(err, ERR_MISMATCH,
                       "%s: the same shard as %s (name, size, first and last 64 KiB are equal); "
                       "name one of them, or rename one if they differ",
                       a->path, b->path);
    }
    return 0;
}

int shards_open(struct shards *out, const char *const *paths, size_t n, struct err *err)
{
    struct shards s = {.items = mem_zero(n, sizeof *s.items)};
    if (!s.items) {
        return err_nomem(err, "shards");
    }
    int rc = 0;
    while (s.n < n && !rc) {
        rc = shard_init(&s.items[s.n], paths[s.n], err);
        s.n++;
    }
    if (!rc) {
        qsort(s.items, s.n, sizeof *s.items, compare);
        rc = check_distinct(&s, err);
    }
    if (rc) {
        shards_free(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void shards_free(struct shards *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->items[i].path);
        free(s->items[i].name);
    }
    free(s->items);
    *s = (struct shards){0};
}

uint64_t shards_bytes(const struct shards *s)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->n; i++) {
        bytes += s->items[i].bytes;
    }
    return bytes;
}

int shard_check(const struct shard *s, struct err *err)
{
    uint64_t bytes, hash;
    const int rc = look(s->path, &bytes, &hash, err);
    if (rc) {
        return rc;
    }
    if (bytes != s->bytes) {
        return err_set(err, ERR_MISMATCH,
                       "%s: changed since the scan began: %" PRIu64 " bytes, %" PRIu64 " then",
                       s->path, bytes, s->bytes);
    }
    if (hash != s->hash) {
        return err_set(err, ERR_MISMATCH,
                       "%s: changed since the scan began: its size is the same, its first or last "
                       "64 KiB are not",
                       s->path);
    }
    return 0;
}
