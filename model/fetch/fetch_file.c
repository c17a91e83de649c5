#include "model/fetch/fetch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "model/fetch/fetch_hash.h"
#include "model/fetch/fetch_progress.h"

// A file whose hash is wrong is downloaded once more.
#define WRONG_MAX 2

struct download {
    const struct fetch_file *file;
    struct hub_file hub;
    struct buf url;
    char *path; // of the file that is being written
    int fd;
    uint64_t have;          // bytes of it
    uint64_t most;          // the most that there ever were: more of them is progress
    struct fetch_hash hash; // of them
    struct fetch_progress progress;
    bool begun; // the first bytes of this answer have come
    bool too_long, wrong_range;
    int write_error; // errno
    uint64_t fetched;
};

// --- the file that is being written ---------------------------------------------------------------

static int system_error(const char *path, struct err *err)
{
    return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
}

/* Begins anew. */
static int empty(struct download *d, struct err *err)
{
    d->have = 0;
    if (ftruncate(d->fd, 0) != 0 || lseek(d->fd, 0, SEEK_SET) != 0) {
        return system_error(d->path, err);
    }
    return fetch_hash_begin(&d->hash, d->hub.etag, d->hub.size, err);
}

/* Hashes what an earlier download left. */
static int read_left(struct download *d, struct err *err)
{
    char bytes[1 << 16];
    int rc = fetch_hash_begin(&d->hash, d->hub.etag, d->hub.size, err);
    while (!rc) {
        const ssize_t n = read(d->fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            rc = n < 0 ? system_error(d->path, err) : 0;
            break;
        }
        fetch_hash_add(&d->hash, bytes, (size_t)n);
        d->have += (uint64_t)n;
    }
    return rc || d->have <= d->hub.size ? rc : empty(d, err);
}

static int open_incomplete(struct download *d, struct err *err)
{
    struct buf path = {0};
    int rc = buf_printf(&path, err, "%s/blobs/%s.gapscope.incomplete", d->file->store->folder,
                        d->hub.etag);
    rc = rc ? rc : buf_append(&path, "", 1, err);
    d->path = path.data;
    rc = rc ? rc : hub_store_make_folders(d->path, err);
    if (rc) {
        return rc;
    }
    d->fd = open(d->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return d->fd < 0 ? system_error(d->path, err) : read_left(d, err);
}

/* Refuses to begin what the disk has no room for. */
static int check_room(const struct download *d, struct err *err)
{
    struct statvfs fs;
    char need[FETCH_SIZE_TEXT], free_text[FETCH_SIZE_TEXT];
    const uint64_t left = d->hub.size - d->have;
    if (fstatvfs(d->fd, &fs) != 0) {
        return 0;
    }
    const uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    return room >= left
               ? 0
               : err_set(err, ERR_IO,
                         "%s: the disk has no room: %s are needed, %s are free; HF_HUB_CACHE "
                         "puts the cache elsewhere",
                         d->path, fetch_size_text(need, left), fetch_size_text(free_text, room));
}

// --- the transfer ---------------------------------------------------------------------------------

/* Where the answer's bytes begin in the file: a 200 is the whole, also where a part was asked for. */
static bool begin_body(struct download *d, const struct http_answer *a)
{
    uint64_t from = 0;
    struct err why;
    d->begun = true;
    if (a->status == 206 && sscanf(a->content_range, "bytes %" SCNu64 "-", &from) != 1) {
        return false;
    }
    return from == d->have || (from == 0 && empty(d, &why) == 0);
}

static bool on_bytes(void *context, const struct http_answer *answer, const char *bytes, size_t len)
{
    struct download *d = context;
    if (!d->begun && !begin_body(d, answer)) {
        d->wrong_range = true;
        return false;
    }
    if (len > d->hub.size - d->have) {
        d->too_long = true;
        return false;
    }
    for (size_t done = 0; done < len;) {
        const ssize_t n = write(d->fd, bytes + done, len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            d->write_error = errno;
            return false;
        }
        fetch_hash_add(&d->hash, bytes + done, (size_t)n);
        done += (size_t)n;
        d->have += (uint64_t)n;
        d->fetched += (uint64_t)n;
    }
    fetch_progress_show(&d->progress, d->have);
    return true;
}

/* What a request that the sink ended means. */
static int sink_error(struct download *d, struct err *err)
{
    if (d->write_error) {
        errno = d->write_error;
        system_error(d->path, err);
        return err_prefix(err, "what has come is kept, and the same command resumes");
    }
    const int rc = empty(d, err);
    return rc ? rc
              : err_set(err, ERR_FORMAT,
                        d->too_long ? "%s: more bytes come than the hub says that it has"
                                    : "%s: other bytes come than were asked for",
                        d->file->name);
}

/* Counts a try that has brought nothing; after HUB_TRIES of them 'why' is the error. */
static int count_try(const struct download *d, unsigned *tries, const char *why, struct err *err)
{
    return ++*tries < HUB_TRIES
               ? 0
               : err_set(err, ERR_FORMAT,
                         "%s: %s: the hub says %" PRIu64 " bytes, %" PRIu64 " came", d->file->name,
                         why, d->hub.size, d->have);
}

/* Decides by the answer; *again: it is to be asked again. */
static int take_answer(struct download *d, const struct http_answer *a, unsigned *tries,
                       bool *again, struct err *err)
{
    const long status = a->end == HTTP_DONE ? a->status : 0;
    *again = true;
    if (a->end == HTTP_SINK) {
        return sink_error(d, err);
    }
    if (status == 200 || status == 206) {
        *again = d->have < d->hub.size;
        return *again ? count_try(d, tries, "it ends too early", err) : 0;
    }
    if (status == 416) {
        const int rc = count_try(d, tries, "it is not as long as it should be", err);
        return rc ? rc : empty(d, err);
    }
    if (status == 403 && !*a->error_code && *tries + 1 < HUB_TRIES) {
        ++*tries; // the signature of the address has expired: the hub gives another one
        return 0;
    }
    return hub_client_again(d->file->client, a, d->file->name, tries, err);
}

/* Asks once for what is missing. */
static int ask_once(struct download *d, unsigned *tries, bool *again, struct err *err)
{
    struct http_answer answer;
    d->begun = false;
    int rc = hub_client_get(d->file->client, d->url.data, d->have, on_bytes, d, &answer, err);
    if (!rc) {
        *tries = d->have > d->most ? 0 : *tries;
        d->most = d->have > d->most ? d->have : d->most;
        rc = take_answer(d, &answer, tries, again, err);
        http_answer_free(&answer);
    }
    return rc;
}

static int transfer(struct download *d, struct err *err)
{
    unsigned tries = 0;
    bool again = d->have < d->hub.size || d->hub.size == 0;
    int rc = 0;
    while (again && !rc) {
        rc = ask_once(d, &tries, &again, err);
    }
    return rc;
}

/* Gives the whole file its name, or throws it away; *wrong: the hash is another. */
static int finish(struct download *d, bool *wrong, struct err *err)
{
    char digits[FETCH_HASH_DIGITS + 1];
    fetch_hash_end(&d->hash, digits);
    *wrong = strcmp(digits, d->hub.etag) != 0;
    if (*wrong) {
        const int rc = empty(d, err);
        return rc ? rc
                  : err_set(
                        err, ERR_FORMAT,
                        "%s: its hash is %s, the hub says %s: it was damaged on its way, and is "
                        "thrown away",
                        d->file->name, digits, d->hub.etag);
    }
    char *blob = hub_store_path(d->file->store, "blobs", d->hub.etag);
    int rc = blob ? 0 : err_nomem(err, "a path");
    if (!rc && (fsync(d->fd) != 0 || rename(d->path, blob) != 0)) {
        rc = system_error(blob, err);
    }
    free(blob);
    return rc;
}

static int download(struct download *d, struct err *err)
{
    int rc = open_incomplete(d, err);
    rc = rc ? rc : check_room(d, err);
    bool wrong = !rc;
    for (int i = 0; wrong && i < WRONG_MAX; i++) {
        wrong = false;
        fetch_progress_begin(&d->progress, d->file->name, d->hub.size, d->have, d->file->quiet);
        rc = transfer(d, err);
        fetch_progress_end(&d->progress);
        rc = rc ? rc : finish(d, &wrong, err);
    }
    if (d->path && rc && (d->have == 0 || rc == ERR_FORMAT)) { // what is left is of no use
        unlink(d->path);
    }
    return rc;
}

static void say_waiting(void)
{
    fprintf(stderr, "another program is fetching this file: waiting for it\n");
}

/* Whether the blob is there, whole. */
static bool is_there(const struct hub_store *s, const struct hub_file *hub)
{
    struct stat st;
    char *blob = hub_store_path(s, "blobs", hub->etag);
    const bool is =
        blob && stat(blob, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == hub->size;
    free(blob);
    return is;
}

/* Downloads the blob, unless it is there or another program brings it. */
static int bring(struct download *d, struct err *err)
{
    int lock = -1;
    if (is_there(d->file->store, &d->hub)) {
        return 0;
    }
    int rc = hub_store_make_cache(d->file->store, err);
    rc = rc ? rc
            : hub_store_lock(d->file->store, d->hub.etag, d->file->quiet ? NULL : say_waiting,
                             &lock, err);
    if (!rc && !is_there(d->file->store, &d->hub)) {
        rc = download(d, err);
    }
    hub_store_unlock(lock);
    return rc;
}

int fetch_file(struct fetch_file *f, struct err *err)
{
    struct download d = {.file = f, .fd = -1};
    char what[600];
    snprintf(what, sizeof what, "%s: %s", f->repo, f->name);
    int rc = fetch_name_check_path(f->name, err);
    rc =
        rc ? rc : hub_client_file_url(f->client, &d.url, f->kind, f->repo, f->commit, f->name, err);
    rc = rc ? rc : hub_client_head(f->client, d.url.data, what, &d.hub, err);
    if (!rc && !fetch_hash_is(d.hub.etag)) {
        rc = err_set(err, ERR_FORMAT, "%s: the hub gives \"%s\" as its hash, which is none",
                     f->name, d.hub.etag);
    }
    rc = rc ? rc : bring(&d, err);
    rc = rc ? rc : hub_store_link(f->store, d.hub.etag, f->commit, f->name, &f->path, err);
    f->size = d.hub.size;
    f->fetched = d.fetched;
    if (d.fd >= 0) {
        close(d.fd);
    }
    fetch_hash_free(&d.hash);
    buf_free(&d.url);
    free(d.path);
    return rc;
}
