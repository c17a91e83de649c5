/*
 * What torch.save writes (torch/serialization.py):
 *
 *   zip:    DIR/data.pkl      the pickle; DIR is any name without a slash
 *           DIR/data/KEY      a storage's elements
 *           DIR/byteorder     "little" or "big" (torch >= 2.0); other entries do not matter here
 *
 *   legacy: five pickles: a magic number, 1001, a dict about the writer, the dict of tensors, and
 *           the list of keys; then for each key the number of elements as int64, and the elements
 */
#include "model/weights/torchfile.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/le.h"
#include "corpora/base/mem.h"
#include "model/weights/pickle.h"
#include "model/weights/torchdict.h"
#include "model/weights/zip.h"

#define LEGACY_PROTOCOL 1001

/* DIR is a file's name without its ending, and file names are not longer. */
#define MAX_DIR 255

/* The most bytes of "data/KEY". */
#define MAX_NAME (5 + TORCHDICT_KEY_DIGITS)

/* --- zip ------------------------------------------------------------------------------------- */

/* Finds the entry "DIR/data.pkl"; *dir_len is the length of DIR, at most MAX_DIR. */
static int find_pickle(const struct zip *z, const struct zip_entry **out, size_t *dir_len,
                       struct err *err)
{
    static const char suffix[] = "/data.pkl";
    const size_t n = sizeof suffix - 1;
    *out = NULL;
    for (size_t i = 0; i < z->n; i++) {
        const struct zip_entry *e = &z->entries[i];
        if (e->name_len <= n || e->name_len - n > MAX_DIR ||
            memcmp(e->name + e->name_len - n, suffix, n) != 0 ||
            memchr(e->name, '/', e->name_len - n)) {
            continue;
        }
        if (*out) {
            return err_set(err, ERR_FORMAT, "both \"%.*s\" and \"%.*s\" are there",
                           (int)(*out)->name_len, (*out)->name, (int)e->name_len, e->name);
        }
        *out = e;
        *dir_len = e->name_len - n;
    }
    return *out ? 0
                : err_set(err, ERR_FORMAT, "a zip archive without a data.pkl: not a torch file");
}

/* The entry "DIR/name", or NULL; 'name' has at most MAX_NAME bytes. */
static const struct zip_entry *find_record(const struct zip *z, const char *dir, size_t dir_len,
                                           const char *name)
{
    char path[MAX_DIR + 1 + MAX_NAME + 1];
    snprintf(path, sizeof path, "%.*s/%s", (int)dir_len, dir, name);
    return zip_find(z, path);
}

static int check_byte_order(const struct zip *z, const char *dir, size_t dir_len, struct err *err)
{
    const struct zip_entry *e = find_record(z, dir, dir_len, "byteorder");
    if (!e || (e->len == 6 && memcmp(e->data, "little", 6) == 0)) {
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED, "byte order \"%.*s\"; only \"little\" is read",
                   e->len < 20 ? (int)e->len : 20, (const char *)e->data);
}

static int locate_in_zip(struct torchdict_storages *storages, const struct zip *z, const char *dir,
                         size_t dir_len, struct err *err)
{
    for (size_t i = 0; i < storages->n; i++) {
        struct torchdict_storage *s = &storages->items[i];
        char name[MAX_NAME + 1];
        snprintf(name, sizeof name, "data/%s", s->key);
        const struct zip_entry *e = find_record(z, dir, dir_len, name);
        if (!e) {
            return err_set(err, ERR_FORMAT, "no entry \"%.*s/%s\"", (int)dir_len, dir, name);
        }
        if (s->n * s->item_bytes > e->len) {
            return err_set(err, ERR_FORMAT, "entry \"%.*s/%s\": %zu elements of %s in %zu bytes",
                           (int)dir_len, dir, name, s->n, dtype_name(s->dtype), e->len);
        }
        s->data = e->data;
    }
    return 0;
}

int torchfile_read_zip(struct tensorlist *out, const unsigned char *bytes, size_t len,
                       struct err *err)
{
    struct zip z = {0};
    struct pickle p = {0};
    struct torchdict_storages storages = {0};
    const struct zip_entry *e = NULL;
    size_t dir_len = 0;
    int rc = zip_open(&z, bytes, len, err);
    if (rc) {
        return rc;
    }
    rc = find_pickle(&z, &e, &dir_len, err);
    if (!rc) {
        rc = check_byte_order(&z, e->name, dir_len, err);
    }
    if (rc) {
        goto out;
    }
    rc = pickle_read(&p, e->data, e->len, err);
    if (!rc && p.used != e->len) {
        rc = err_set(err, ERR_FORMAT, "byte %zu: %zu bytes after the pickle", p.used,
                     e->len - p.used);
    }
    if (rc) {
        err_prefix(err, "%.*s%s", (int)e->name_len, e->name,
                   zip_entry_is_intact(e) ? "" : " (damaged: it does not match its CRC)");
        goto out;
    }
    rc = torchdict_storages(&storages, &p, err);
    if (!rc) {
        rc = locate_in_zip(&storages, &z, e->name, dir_len, err);
    }
    if (!rc) {
        rc = torchdict_read(out, &p, &storages, err);
    }
    // This reads the whole file (0.2 s per gigabyte), because a flipped bit in a weight would
    // change every number of a run unnoticed.  It comes last, so that a more specific error comes
    // first.
    if (!rc) {
        rc = zip_check(&z, err);
    }
out:
    torchdict_free(&storages);
    pickle_free(&p);
    zip_close(&z);
    return rc;
}

/* --- legacy ---------------------------------------------------------------------------------- */

/* The length of the pickle of the magic number 0x1950a86a20f9469cfc6c at bytes[0]; 0: there is
 * none.  The number is too long for pickle_read(), and is always written in one of two ways. */
static size_t magic_len(const unsigned char *bytes, size_t len)
{
    static const unsigned char frame[] = {0x95, 13, 0, 0, 0, 0, 0, 0, 0}; // protocol 4 and later
    static const unsigned char magic[] = {0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                          0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
    size_t at = 2; // PROTO n
    if (len < at || bytes[0] != 0x80) {
        return 0;
    }
    if (len - at >= sizeof frame && memcmp(bytes + at, frame, sizeof frame) == 0) {
        at += sizeof frame;
    }
    if (len - at < sizeof magic || memcmp(bytes + at, magic, sizeof magic) != 0) {
        return 0;
    }
    return at + sizeof magic;
}

bool torchfile_is_legacy(const unsigned char *bytes, size_t len)
{
    return magic_len(bytes, len) > 0;
}

/* Reads the pickle at bytes[*at] and moves *at behind it. */
static int next_pickle(struct pickle *out, const unsigned char *bytes, size_t len, size_t *at,
                       const char *what, struct err *err)
{
    const int rc = pickle_read(out, bytes + *at, len - *at, err);
    if (rc) {
        err_prefix(err, "the pickle of %s, from byte %zu", what, *at);
        return rc;
    }
    *at += out->used;
    return 0;
}

static int check_protocol(const unsigned char *bytes, size_t len, size_t *at, struct err *err)
{
    struct pickle p;
    int rc = next_pickle(&p, bytes, len, at, "the protocol", err);
    if (!rc && (p.root->kind != PICKLE_INT || p.root->integer != LEGACY_PROTOCOL)) {
        rc = err_set(err, ERR_UNSUPPORTED, "a torch file of another protocol than %d",
                     LEGACY_PROTOCOL);
    }
    pickle_free(&p);
    return rc;
}

static int check_writer(const unsigned char *bytes, size_t len, size_t *at, struct err *err)
{
    struct pickle p;
    int rc = next_pickle(&p, bytes, len, at, "the writer", err);
    if (rc) {
        return rc;
    }
    bool little = false;
    const bool is_dict = p.root->kind == PICKLE_DICT;
    for (const struct pickle_item *i = is_dict ? p.root->first : NULL; i; i = i->next) {
        if (torchdict_is_text(i->key, "little_endian")) {
            little = i->value->kind == PICKLE_BOOL && i->value->integer;
        }
    }
    if (!little) {
        rc = err_set(err, ERR_UNSUPPORTED, "not written by a little-endian machine");
    }
    pickle_free(&p);
    return rc;
}

static int by_key(const void *a, const void *b)
{
    const struct torchdict_storage *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* Reads the storage of 'key' from bytes[*at] on and moves *at behind it.  'sorted' has the storages
 * sorted by key; equal keys are one storage. */
static int locate_key(struct torchdict_storage **sorted, size_t n, const char *key,
                      const unsigned char *bytes, size_t len, size_t *at, struct err *err)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t middle = lo + (hi - lo) / 2;
        if (strcmp(sorted[middle]->key, key) < 0) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    if (lo == n || strcmp(sorted[lo]->key, key) != 0) {
        return err_set(err, ERR_FORMAT, "storage %s belongs to no tensor", key);
    }
    const struct torchdict_storage *first = sorted[lo];
    if (first->data) {
        return err_set(err, ERR_FORMAT, "storage %s is listed twice", key);
    }
    if (len - *at < 8) {
        return err_set(err, ERR_TRUNCATED, "the file ends before storage %s", key);
    }
    const uint64_t said = le_u64(bytes + *at);
    const size_t size = first->n * first->item_bytes;
    if (said != first->n) {
        return err_set(err, ERR_FORMAT, "byte %zu: storage %s has %llu elements, not %zu", *at, key,
                       (unsigned long long)said, first->n);
    }
    *at += 8;
    if (size > len - *at) {
        return err_set(err, ERR_TRUNCATED,
                       "storage %s has %zu bytes, of which %zu are there: the file was cut short; "
                       "fetch it again",
                       key, size, len - *at);
    }
    for (size_t i = lo; i < n && strcmp(sorted[i]->key, key) == 0; i++) {
        if (sorted[i]->n != first->n || sorted[i]->dtype != first->dtype ||
            sorted[i]->item_bytes != first->item_bytes) {
            return err_set(err, ERR_FORMAT, "storage %s has two sizes or classes", key);
        }
        sorted[i]->data = bytes + *at;
    }
    *at += size;
    return 0;
}

static int locate_in_legacy(struct torchdict_storages *storages, const struct pickle_value *keys,
                            const unsigned char *bytes, size_t len, size_t *at, struct err *err)
{
    if (keys->kind != PICKLE_LIST) {
        return err_set(err, ERR_FORMAT, "the storages' keys are %s", pickle_kind_name(keys->kind));
    }
    struct torchdict_storage **sorted = mem_new(storages->n, sizeof *sorted);
    if (!sorted) {
        return err_nomem(err, "the list of storages");
    }
    for (size_t i = 0; i < storages->n; i++) {
        sorted[i] = &storages->items[i];
    }
    qsort(sorted, storages->n, sizeof *sorted, by_key);
    int rc = 0;
    for (const struct pickle_item *i = keys->first; i && !rc; i = i->next) {
        char key[TORCHDICT_KEY_DIGITS + 1];
        rc = torchdict_key(i->value, key)
                 ? locate_key(sorted, storages->n, key, bytes, len, at, err)
                 : err_set(err, ERR_FORMAT, "a storage's key that is not a number");
    }
    for (size_t i = 0; i < storages->n && !rc; i++) {
        if (!sorted[i]->data) {
            rc = err_set(err, ERR_FORMAT, "storage %s is not in the list of keys", sorted[i]->key);
        }
    }
    free(sorted);
    return rc;
}

int torchfile_read_legacy(struct tensorlist *out, const unsigned char *bytes, size_t len,
                          struct err *err)
{
    struct pickle tensors = {0}, keys = {0};
    struct torchdict_storages storages = {0};
    size_t at = magic_len(bytes, len);
    int rc = check_protocol(bytes, len, &at, err);
    if (!rc) {
        rc = check_writer(bytes, len, &at, err);
    }
    if (!rc) {
        rc = next_pickle(&tensors, bytes, len, &at, "the tensors", err);
    }
    if (!rc) {
        rc = next_pickle(&keys, bytes, len, &at, "the keys", err);
    }
    if (!rc) {
        rc = torchdict_storages(&storages, &tensors, err);
    }
    if (!rc) {
        rc = locate_in_legacy(&storages, keys.root, bytes, len, &at, err);
    }
    if (!rc && at != len) {
        rc = err_set(err, ERR_FORMAT, "byte %zu: %zu bytes after the last storage", at, len - at);
    }
    if (!rc) {
        rc = torchdict_read(out, &tensors, &storages, err);
    }
    torchdict_free(&storages);
    pickle_free(&tensors);
    pickle_free(&keys);
    return rc;
}
