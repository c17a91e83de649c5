/*
 * What is read, from the end of the file (APPNOTE.TXT 6.3, sections 4.3 and 4.5):
 *
 *   1. end of central directory, 22 bytes and a comment that ends with the file
 *   2. before it, where there is one, the zip64 locator (20 bytes), which says where
 *   3. the zip64 end of central directory (56 bytes) lies
 *   4. the central directory: 46 bytes, name, extra, comment for each entry
 *   5. each entry's local header (30 bytes, name, extra), then its data
 *
 * Sizes are taken from the central directory alone: torch writes a stream, so its local headers
 * have zeros and the sizes follow the data.
 */
#include "model/weights/zip.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "corpora/base/le.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"

enum {
    END_BYTES = 22,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
};

#define SIGNATURE_LOCAL 0x04034b50u
#define SIGNATURE_CENTRAL 0x02014b50u
#define SIGNATURE_END64 0x06064b50u
#define SIGNATURE_LOCATOR 0x07064b50u
#define SIGNATURE_END 0x06054b50u

/* The values of a field that is too small and refers to the zip64 record. */
#define IN_ZIP64_16 0xffffu
#define IN_ZIP64_32 0xffffffffu

#define FLAG_ENCRYPTED 1u
#define EXTRA_ZIP64 1u

/* The place of the central directory. */
struct directory {
    size_t n;    // number of entries
    size_t from; // its first byte
    size_t to;   // the byte after its last
};

/* An entry while the archive is checked. */
struct candidate {
    struct zip_entry entry;
    size_t from; // the local header's first byte
    size_t to;   // the byte after the data
};

static int find_end(const unsigned char *bytes, size_t len, size_t *at, struct err *err)
{
    for (size_t comment = 0; comment <= UINT16_MAX && comment + END_BYTES <= len; comment++) {
        const unsigned char *p = bytes + len - END_BYTES - comment;
        if (le_u32(p) == SIGNATURE_END && le_u16(p + 20) == comment) {
            *at = len - END_BYTES - comment;
            return 0;
        }
    }
    return err_set(err, ERR_TRUNCATED,
                   "no end of central directory: this zip archive was cut short; fetch it again");
}

/* Replaces values that the plain record refers to the zip64 record; the others must agree. */
static int read_end64(const unsigned char *bytes, size_t end_at, uint64_t value[3], struct err *err)
{
    const size_t locator_at = end_at - LOCATOR_BYTES;
    const uint64_t at = le_u64(bytes + locator_at + 8);
    if (at > locator_at || locator_at - at < END64_BYTES || le_u32(bytes + at) != SIGNATURE_END64) {
        return err_set(err, ERR_FORMAT, "the zip64 locator at byte %zu points at no zip64 record",
                       locator_at);
    }
    const unsigned char *p = bytes + at;
    if (le_u32(bytes + locator_at + 4) != 0 || le_u32(p + 16) != 0 || le_u32(p + 20) != 0 ||
        le_u64(p + 24) != le_u64(p + 32)) {
        return err_set(err, ERR_UNSUPPORTED, "a zip archive in several parts");
    }
    const uint64_t wide[3] = {le_u64(p + 32), le_u64(p + 40), le_u64(p + 48)};
    for (int i = 0; i < 3; i++) {
        const uint64_t unknown = i == 0 ? IN_ZIP64_16 : IN_ZIP64_32;
        if (value[i] != unknown && value[i] != wide[i]) {
            return err_set(err, ERR_FORMAT,
                           "the end of central directory and its zip64 record disagree");
        }
        value[i] = wide[i];
    }
    return 0;
}

static int read_end(const unsigned char *bytes, size_t len, struct directory *dir, struct err *err)
{
    size_t at = 0;
    int rc = find_end(bytes, len, &at, err);
    if (rc) {
        return rc;
    }
    const unsigned char *p = bytes + at;
    uint64_t value[3] = {le_u16(p + 10), le_u32(p + 12), le_u32(p + 16)}; // entries, bytes, from
    if (le_u16(p + 4) != 0 || le_u16(p + 6) != 0 || le_u16(p + 8) != value[0]) {
        return err_set(err, ERR_UNSUPPORTED, "a zip archive in several parts");
    }
    if (at >= LOCATOR_BYTES && le_u32(p - LOCATOR_BYTES) == SIGNATURE_LOCATOR) {
        rc = read_end64(bytes, at, value, err);
        if (rc) {
            return rc;
        }
    }
    if (value[2] > at || value[1] > at - value[2]) {
        return err_set(err, ERR_FORMAT, "the central directory lies outside the file");
    }
    if (value[0] > value[1] / CENTRAL_BYTES) {
        return err_set(err, ERR_FORMAT, "%llu entries in a central directory of %llu bytes",
                       (unsigned long long)value[0], (unsigned long long)value[1]);
    }
    *dir = (struct directory){.n = value[0], .from = value[2], .to = value[2] + value[1]};
    return 0;
}

/* Takes the sizes and the offset that do not fit in 32 bits from the zip64 extra field, which holds
 * only those, in this order. */
static bool widen(uint64_t *value[3], const unsigned char *extra, size_t len)
{
    while (len >= 4) {
        const unsigned id = le_u16(extra);
        size_t left = le_u16(extra + 2);
        const unsigned char *p = extra + 4;
        if (left > len - 4) {
            return false;
        }
        extra += 4 + left;
        len -= 4 + left;
        if (id != EXTRA_ZIP64) {
            continue;
        }
        for (int i = 0; i < 3; i++) {
            if (*value[i] != IN_ZIP64_32) {
                continue;
            }
            if (left < 8) {
                return false;
            }
            *value[i] = le_u64(p);
            p += 8;
            left -= 8;
        }
        return true;
    }
    // The largest 32-bit value could be an actual size, but no entry of ours has that size.
    return *value[0] != IN_ZIP64_32 && *value[1] != IN_ZIP64_32 && *value[2] != IN_ZIP64_32;
}

/* Finds the data through the local header, which repeats the name; the data ends before 'limit'. */
static int locate_data(struct candidate *c, const unsigned char *bytes, size_t limit, uint64_t from,
                       struct err *err)
{
    struct zip_entry *e = &c->entry;
    const int n = (int)e->name_len;
    if (from > limit || limit - from < LOCAL_BYTES || le_u32(bytes + from) != SIGNATURE_LOCAL) {
        return err_set(err, ERR_FORMAT, "entry \"%.*s\": no local header at byte %llu", n, e->name,
                       (unsigned long long)from);
    }
    const unsigned char *p = bytes + from;
    const size_t name_len = le_u16(p + 26), header = LOCAL_BYTES + name_len + le_u16(p + 28);
    if (header > limit - from || e->len > limit - from - header) {
        return err_set(err, ERR_FORMAT, "entry \"%.*s\": %zu bytes from byte %llu on reach outside",
                       n, e->name, e->len, (unsigned long long)from);
    }
    if (name_len != e->name_len || memcmp(p + LOCAL_BYTES, e->name, name_len) != 0) {
        return err_set(err, ERR_FORMAT, "entry \"%.*s\" has another name in its local header", n,
                       e->name);
    }
    e->data = p + header;
    c->from = from;
    c->to = from + header + e->len;
    return 0;
}

/* Reads the central record at bytes[*at] and moves *at behind it. */
static int read_entry(struct candidate *c, const unsigned char *bytes, const struct directory *dir,
                      size_t *at, struct err *err)
{
    const unsigned char *p = bytes + *at;
    if (dir->to - *at < CENTRAL_BYTES || le_u32(p) != SIGNATURE_CENTRAL) {
        return err_set(err, ERR_FORMAT, "byte %zu: not an entry of the central directory", *at);
    }
    const size_t name_len = le_u16(p + 28), extra_len = le_u16(p + 30);
    const size_t record = CENTRAL_BYTES + name_len + extra_len + le_u16(p + 32);
    if (record > dir->to - *at) {
        return err_set(err, ERR_FORMAT, "byte %zu: an entry reaches beyond the central directory",
                       *at);
    }
    const char *name = (const char *)p + CENTRAL_BYTES;
    if (utf8_valid_prefix(name, name_len) != name_len || memchr(name, '\0', name_len)) {
        return err_set(err, ERR_FORMAT, "byte %zu: an entry's name is not UTF-8 text", *at);
    }
    const int n = (int)name_len;
    const unsigned flags = le_u16(p + 8), method = le_u16(p + 10);
    if (flags & FLAG_ENCRYPTED) {
        return err_set(err, ERR_UNSUPPORTED, "entry \"%.*s\" is encrypted", n, name);
    }
    if (method != 0) {
        return err_set(
            err, ERR_UNSUPPORTED,
            "entry \"%.*s\" is compressed (method %u), which torch.save never does: pack "
            "it again without compression (zip -0)",
            n, name, method);
    }
    uint64_t packed = le_u32(p + 20), size = le_u32(p + 24), from = le_u32(p + 42);
    if (!widen((uint64_t *[]){&size, &packed, &from}, p + CENTRAL_BYTES + name_len, extra_len)) {
        return err_set(err, ERR_FORMAT, "entry \"%.*s\": malformed extra field", n, name);
    }
    if (packed != size || le_u16(p + 34) != 0) {
        return err_set(err, ERR_FORMAT, "entry \"%.*s\" is stored, but its sizes differ", n, name);
    }
    c->entry =
        (struct zip_entry){.name = name, .name_len = name_len, .len = size, .crc = le_u32(p + 16)};
    *at += record;
    return locate_data(c, bytes, dir->from, from, err);
}

static int by_place(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int by_name(const void *a, const void *b)
{
    const struct zip_entry *x = a, *y = b;
    return compare_names(x->name, x->name_len, y->name, y->name_len);
}

/* Checks that no byte belongs to two entries. */
static int check_overlaps(struct candidate *c, size_t n, struct err *err)
{
    qsort(c, n, sizeof *c, by_place);
    for (size_t i = 0; i + 1 < n; i++) {
        const struct zip_entry *a = &c[i].entry, *b = &c[i + 1].entry;
        if (c[i].to > c[i + 1].from) {
            return err_set(err, ERR_FORMAT, "entries \"%.*s\" and \"%.*s\" overlap",
                           (int)a->name_len, a->name, (int)b->name_len, b->name);
        }
    }
    return 0;
}

int zip_open(struct zip *out, const unsigned char *bytes, size_t len, struct err *err)
{
    struct zip z = {0};
    struct candidate *candidates = NULL;
    struct directory dir = {0};
    *out = z;
    int rc = read_end(bytes, len, &dir, err);
    if (rc) {
        return rc;
    }
    candidates = mem_new(dir.n, sizeof *candidates);
    z.entries = mem_new(dir.n, sizeof *z.entries);
    if (!candidates || !z.entries) {
        rc = err_nomem(err, "the list of a zip archive");
        goto out;
    }
    size_t at = dir.from;
    for (; z.n < dir.n; z.n++) {
        rc = read_entry(&candidates[z.n], bytes, &dir, &at, err);
        if (rc) {
            goto out;
        }
        z.entries[z.n] = candidates[z.n].entry;
    }
    if (at != dir.to) {
        rc = err_set(err, ERR_FORMAT,
                     "byte %zu: the central directory holds more than its %zu entries", at, dir.n);
        goto out;
    }
    qsort(z.entries, z.n, sizeof *z.entries, by_name);
    for (size_t i = 0; i + 1 < z.n; i++) {
        if (by_name(&z.entries[i], &z.entries[i + 1]) == 0) {
            rc = err_set(err, ERR_FORMAT, "two entries are named \"%.*s\"",
                         (int)z.entries[i].name_len, z.entries[i].name);
            goto out;
        }
    }
    rc = check_overlaps(candidates, z.n, err);
    if (rc) {
        goto out;
    }
    *out = z;
    z = (struct zip){0};
out:
    free(candidates);
    zip_close(&z);
    return rc;
}

const struct zip_entry *zip_find(const struct zip *z, const char *name)
{
    const struct zip_entry key = {.name = name, .name_len = strlen(name)};
    return z->n ? bsearch(&key, z->entries, z->n, sizeof key, by_name) : NULL;
}

bool zip_entry_is_intact(const struct zip_entry *e)
{
    return e->crc == 0 || crc32_z(0, e->data, e->len) == e->crc;
}

int zip_check(const struct zip *z, struct err *err)
{
    for (size_t i = 0; i < z->n; i++) {
        const struct zip_entry *e = &z->entries[i];
        if (!zip_entry_is_intact(e)) {
            return err_set(err, ERR_CORRUPT,
                           "entry \"%.*s\" does not match its CRC: the file is damaged; fetch it "
                           "again",
                           (int)e->name_len, e->name);
        }
    }
    return 0;
}

void zip_close(struct zip *z)
{
    free(z->entries);
    *z = (struct zip){0};
}
