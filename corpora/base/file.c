#include "corpora/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/foreign.h"
#include "corpora/base/path_error.h"
#include "corpora/base/utf8.h"

int file_read(const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return path_read_error(path, errno, err);
    }
    const size_t before = out->len;
    int rc = 0;
    for (;;) {
        rc = buf_reserve(out, 64 * 1024, err);
        if (rc) {
            err_prefix(err, "%s", path);
            break;
        }
        const ssize_t n = read(fd, out->data + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            rc = path_read_error(path, errno, err);
            break;
        }
        if (n == 0) {
            break;
        }
        out->len += (size_t)n;
        if (out->len - before > max_bytes) {
            rc = err_set(err, ERR_LIMIT, "%s: larger than the limit of %zu bytes", path, max_bytes);
            break;
        }
    }
    close(fd);
    return rc;
}

int file_read_text(const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    const size_t before = out->len;
    int rc = file_read(path, max_bytes, out, err);
    if (rc) {
        return rc;
    }
    char *text = out->data + before;
    const size_t len = out->len - before;
    rc = foreign_refuse(text, len, err);
    if (rc) {
        return err_prefix(err, "%s", path);
    }
    const size_t bom = utf8_bom(text, len);
    if (bom > 0) {
        memmove(text, text + bom, len - bom);
        out->len -= bom;
    }
    return 0;
}

bool file_is_regular(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool file_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

struct dirent *file_entry(DIR *d, const char *dir, int *rc, struct err *err)
{
    errno = 0;
    struct dirent *e = readdir(d);
    if (!e && errno) {
        *rc = err_set(err, ERR_IO, "%s: %s", dir, strerror(errno));
    }
    return e;
}

char *file_join(const char *dir, const char *name)
{
    const size_t n = strlen(dir);
    const char *slash = n && dir[n - 1] != '/' ? "/" : "";
    const size_t size = n + strlen(name) + 2;
    char *path = mem_new(size, 1);
    if (path) {
        snprintf(path, size, "%s%s%s", dir, slash, name);
    }
    return path;
}

bool file_ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

char *file_base_name(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') {
        end--;
    }
    size_t begin = end > 0 ? end - 1 : 0;
    while (begin > 0 && path[begin - 1] != '/') {
        begin--;
    }
    return strndup(path + begin, end - begin);
}

// The files that are mapped, for file_map_path().  An entry is free where 'data' is NULL, and is
// being filled where it is &claimed; its writer sets 'data' last.
#define MAPS_MAX 64
static struct {
    const unsigned char *_Atomic data;
    size_t len;
    char path[256];
} maps[MAPS_MAX];
static const unsigned char claimed;

static void note_map(const struct file_map *map, const char *path)
{
    struct err shown;
    for (size_t i = 0; i < MAPS_MAX && map->data; i++) {
        const unsigned char *none = NULL;
        if (atomic_compare_exchange_strong(&maps[i].data, &none, &claimed)) {
            err_set(&shown, ERR_IO, "%s", path);
            snprintf(maps[i].path, sizeof maps[i].path, "%.255s", shown.msg);
            maps[i].len = map->len;
            atomic_store(&maps[i].data, map->data);
            return;
        }
    }
}

static void forget_map(const struct file_map *map)
{
    for (size_t i = 0; i < MAPS_MAX; i++) {
        const unsigned char *data = map->data;
        if (data && atomic_compare_exchange_strong(&maps[i].data, &data, NULL)) {
            return;
        }
    }
}

const char *file_map_path(const void *address)
{
    const uintptr_t at = (uintptr_t)address;
    for (size_t i = 0; i < MAPS_MAX; i++) {
        const unsigned char *data = atomic_load(&maps[i].data);
        const uintptr_t begin = (uintptr_t)data;
        if (data && data != &claimed && at >= begin && at - begin < maps[i].len) {
            return maps[i].path;
        }
    }
    return NULL;
}

int file_map(struct file_map *out, const char *path, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return path_read_error(path, errno, err);
    }
    int rc = 0;
    struct stat st;
    struct file_map map = {0};
    if (fstat(fd, &st) != 0) {
        rc = err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        rc = err_set(err, ERR_IO, "%s: %s", path,
                     S_ISDIR(st.st_mode) ? "is a folder" : "is not a regular file");
    } else if (st.st_size > 0) {
        map.len = (size_t)st.st_size;
        void *data = mmap(NULL, map.len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            rc = err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
        } else {
            map.data = data;
        }
    }
    close(fd);
    if (!rc) {
        note_map(&map, path);
        *out = map;
    }
    return rc;
}

void file_map_done_with(const struct file_map *map, size_t from, size_t to)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = (from + page - 1) / page * page;
    const size_t last = (to < map->len ? to : map->len) / page * page;
    if (map->data && first < last) {
        // This is only a hint: if it fails, the pages stay in memory.
        (void)madvise((void *)(uintptr_t)(map->data + first), last - first, MADV_DONTNEED);
    }
}

void file_unmap(struct file_map *map)
{
    forget_map(map);
    if (map->data) {
        munmap((void *)(uintptr_t)map->data, map->len);
    }
    *map = (struct file_map){0};
}

// The temporary file that is being written, and the one beside it, for outfile_abandon().
static char *_Atomic pending, *_Atomic pending_beside;

#define LEFTOVERS_MAX 4
static struct {
    char path[PATH_MAX];
    int why; // errno
} leftovers[LEFTOVERS_MAX];
static size_t n_leftovers;

const char *outfile_leftover(size_t i, const char **why)
{
    if (i >= n_leftovers) {
        return NULL;
    }
    *why = strerror(leftovers[i].why);
    return leftovers[i].path;
}

static void remove_temporary(const char *path)
{
    if (path && unlink(path) != 0 && errno != ENOENT && n_leftovers < LEFTOVERS_MAX) {
        leftovers[n_leftovers].why = errno;
        snprintf(leftovers[n_leftovers++].path, PATH_MAX, "%s", path);
    }
}

void outfile_abandon(void)
{
    const char *path = atomic_exchange(&pending, NULL);
    const char *beside = atomic_exchange(&pending_beside, NULL);
    if (path) {
        unlink(path);
    }
    if (beside) {
        unlink(beside);
    }
}

int outfile_beside(struct outfile *out, const char *ending, struct err *err)
{
    if (out->tmp_path && asprintf(&out->beside, "%s%s", out->tmp_path, ending) < 0) {
        out->beside = NULL;
        return err_nomem(err, "a path");
    }
    pending_beside = out->beside;
    return 0;
}

/* Frees the paths of *out and makes it {0}. */
static void forget(struct outfile *out)
{
    char *mine = out->tmp_path, *beside = out->beside;
    if (mine) {
        atomic_compare_exchange_strong(&pending, &mine, NULL);
    }
    if (beside) {
        atomic_compare_exchange_strong(&pending_beside, &beside, NULL);
    }
    free(out->path);
    free(out->tmp_path);
    free(out->beside);
    *out = (struct outfile){0};
}

int outfile_open(struct outfile *out, const char *path, struct err *err)
{
    struct outfile o = {0};
    if (!path || strcmp(path, "-") == 0) {
        o.stream = stdout;
        *out = o;
        return 0;
    }

    int rc = 0;
    struct stat st;
    const bool in_place = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    o.path = strdup(path);
    const size_t size = strlen(path) + 32;
    o.tmp_path = in_place ? NULL : mem_new(size, 1);
    if (!o.path || (!in_place && !o.tmp_path)) {
        rc = err_nomem(err, "a path");
        goto out;
    }
    if (!in_place) {
        snprintf(o.tmp_path, size, "%s.tmp-%ld", path, (long)getpid());
    }
    pending = o.tmp_path; // before the file is there, which a signal could leave behind
    o.stream = fopen(in_place ? o.path : o.tmp_path, in_place ? "we" : "wxe");
    if (!o.stream) {
        if (!in_place && errno == EEXIST) {
            rc = path_read_error(o.tmp_path, errno, err);
        } else {
            rc = (in_place ? path_read_error : path_write_error)(path, errno, err);
        }
        goto out;
    }
    *out = o;
    return 0;

out:
    forget(&o);
    return rc;
}

int outfile_commit(struct outfile *out, struct err *err)
{
    const char *name = out->path ? out->path : "standard output";
    errno = 0;
    const bool lacks = mem_was_lost();
    bool failed = lacks || ferror(out->stream) != 0;
    failed = fflush(out->stream) != 0 || failed;
    if (out->tmp_path) {
        failed = failed || fsync(fileno(out->stream)) != 0;
    }
    int why = errno;
    if (out->path) {
        if (fclose(out->stream) != 0 && !failed) {
            failed = true;
            why = errno;
        }
        out->stream = NULL;
    }
    if (!failed && out->tmp_path && rename(out->tmp_path, out->path) != 0) {
        failed = true;
        why = errno;
    }
    int rc = 0;
    if (failed) {
        rc = lacks ? err_nomem(err, name)
                   : err_set(err, ERR_IO, "%s: %s", name, why ? strerror(why) : "writing failed");
        outfile_discard(out);
    }
    remove_temporary(out->beside);
    forget(out);
    return rc;
}

void outfile_discard(struct outfile *out)
{
    if (out->path && out->stream) {
        fclose(out->stream);
    }
    remove_temporary(out->tmp_path);
    remove_temporary(out->beside);
    forget(out);
}
