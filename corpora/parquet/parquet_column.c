#include "corpora/parquet/parquet_column.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "corpora/base/le.h"
#include "corpora/parquet/parquet_codec.h"
#include "corpora/parquet/parquet_levels.h"
#include "corpora/parquet/parquet_page.h"
#include "corpora/parquet/parquet_values.h"

// A header is some 20 bytes, and more where it has statistics: the least and greatest value.
#define HEADER_BYTES ((size_t)16 << 10)
#define HEADER_MAX_BYTES ((size_t)16 << 20)

struct parquet_column {
    int fd;
    int type;
    unsigned max_definition, max_repetition;
    struct parquet_codec *codec;

    struct parquet_chunk chunk;
    uint64_t at;     // offset of the next page
    uint64_t page;   // of the current one
    int64_t n_left;  // values of the chunk, with nulls, that no page has brought
    int64_t skipped; // the type of a page that was passed over; -1: none
    struct parquet_dictionary dictionary;

    // the current page
    struct buf raw, data; // as in the file; decompressed
    int64_t n_page;       // values, with nulls, that have not been taken
    struct levels definitions, repetitions;
    struct parquet_values values;
};

int column_open(struct parquet_column **out, const struct parquet_footer *footer, size_t node,
                int fd, struct err *err)
{
    struct parquet_column *c = mem_zero(1, sizeof *c);
    if (!c) {
        return err_nomem(err, "a column");
    }
    c->fd = fd;
    c->type = footer->nodes[node].type;
    c->max_definition = footer->nodes[node].max_definition;
    c->max_repetition = footer->nodes[node].max_repetition;
    c->values.type = c->type;
    c->values.dictionary = &c->dictionary;
    const int rc = parquet_codec_new(&c->codec, err);
    if (rc) {
        column_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void column_close(struct parquet_column *c)
{
    if (!c) {
        return;
    }
    parquet_codec_free(c->codec);
    parquet_dictionary_free(&c->dictionary);
    parquet_values_end(&c->values);
    buf_free(&c->raw);
    buf_free(&c->data);
    free(c);
}

void column_begin(struct parquet_column *c, const struct parquet_chunk *chunk)
{
    c->chunk = *chunk;
    c->at = chunk->begins;
    c->page = chunk->begins;
    c->n_left = chunk->n_values;
    c->n_page = 0;
    c->skipped = -1;
    c->dictionary.any = false;
}

uint64_t column_page(const struct parquet_column *c)
{
    return c->page;
}

uint64_t column_tell(const struct parquet_column *c)
{
    return c->at;
}

// --- pages -------------------------------------------------------------------------------------

/* Reads len bytes at 'at' into c->raw. */
static int read_raw(struct parquet_column *c, uint64_t at, size_t len, struct err *err)
{
    c->raw.len = 0;
    const int rc = buf_reserve(&c->raw, len, err);
    if (rc) {
        return rc;
    }
    while (c->raw.len < len) {
        const ssize_t n =
            pread(c->fd, c->raw.data + c->raw.len, len - c->raw.len, (off_t)(at + c->raw.len));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? err_set(err, ERR_IO, "%s", strerror(errno))
                         : err_set(err, ERR_TRUNCATED,
                                   "the file ends here; it has become shorter since it was opened");
        }
        c->raw.len += (size_t)n;
    }
    return 0;
}

/* Reads the header of the page at c->at; *used: its length. */
static int read_header(struct parquet_column *c, struct parquet_page *p, size_t *used,
                       struct err *err)
{
    const uint64_t left = c->chunk.ends - c->at;
    for (size_t want = HEADER_BYTES;; want *= 8) {
        const size_t n = left < want ? (size_t)left : want;
        int rc = read_raw(c, c->at, n, err);
        rc = rc ? rc : parquet_page_read(p, c->raw.data, n, used, err);
        if (rc != ERR_TRUNCATED || n == left || want >= HEADER_MAX_BYTES || c->raw.len < n) {
            const bool broken = rc == ERR_TRUNCATED && c->raw.len == n;
            return broken ? err_set(err, ERR_CORRUPT, "%s", err ? err->msg : "") : rc;
        }
    }
}

static int check_crc(const struct parquet_column *c, const struct parquet_page *p, struct err *err)
{
    if (!p->has_crc) {
        return 0;
    }
    uLong crc = crc32(0, NULL, 0);
    crc = c->raw.len ? crc32_z(crc, (const Bytef *)c->raw.data, c->raw.len) : crc;
    return crc == p->crc
               ? 0
               : err_set(err, ERR_CORRUPT, "the CRC of a page is %08lx, its header says %08lx", crc,
                         (unsigned long)p->crc);
}

/* Decompresses raw bytes from[len] to exactly 'want' bytes of *to. */
static int decompress(struct parquet_column *c, const char *from, size_t len, struct buf *to,
                      size_t want, struct err *err)
{
    to->len = 0;
    int rc = buf_reserve(to, want + 1, err); // never NULL
    if (!rc && want > 0) {
        rc = parquet_decompress(c->codec, c->chunk.codec, from, len, to->data, want, err);
    }
    to->len = want;
    return rc;
}

static int read_dictionary(struct parquet_column *c, const struct parquet_page *p, struct err *err)
{
    if (c->dictionary.any) {
        return err_set(err, ERR_CORRUPT, "a second dictionary in one chunk");
    }
    if (p->encoding != PARQUET_PLAIN && p->encoding != PARQUET_PLAIN_DICTIONARY) {
        return err_set(err, ERR_UNSUPPORTED, "a dictionary in encoding %lld, which is not PLAIN",
                       (long long)p->encoding);
    }
    const int rc =
        decompress(c, c->raw.data, c->raw.len, &c->dictionary.bytes, (size_t)p->bytes, err);
    return rc ? rc : parquet_dictionary_read(&c->dictionary, c->type, (uint64_t)p->n_values, err);
}

/* Checks all repetition levels. */
static int check_repetitions(const struct parquet_column *c, int64_t n, struct err *err)
{
    struct levels l = c->repetitions;
    for (int64_t i = 0; i < n && c->max_repetition > 0; i++) {
        uint32_t level;
        if (!levels_next(&l, &level)) {
            return err_set(err, ERR_CORRUPT, "the repetition levels of a page end too early");
        }
        if (level > c->max_repetition) {
            return err_set(err, ERR_CORRUPT, "a repetition level is %lu; the column has %u",
                           (unsigned long)level, c->max_repetition);
        }
    }
    return 0;
}

/* Counts the values that are there and checks all definition levels. */
static int count_present(const struct parquet_column *c, int64_t n, uint64_t *present,
                         struct err *err)
{
    struct levels l = c->definitions;
    *present = c->max_definition == 0 ? (uint64_t)n : 0;
    for (int64_t i = 0; i < n && c->max_definition > 0; i++) {
        uint32_t level;
        if (!levels_next(&l, &level)) {
            return err_set(err, ERR_CORRUPT, "the definition levels of a page end too early");
        }
        if (level > c->max_definition) {
            return err_set(err, ERR_CORRUPT, "a definition level is %lu; the column has %u",
                           (unsigned long)level, c->max_definition);
        }
        *present += level == c->max_definition;
    }
    return 0;
}

/* Takes levels with their length in front off the page's bytes. */
static int take_levels(struct levels *l, unsigned max, int64_t encoding, const unsigned char **at,
                       const unsigned char *end, struct err *err)
{
    if (max == 0) {
        return 0;
    }
    if (encoding != PARQUET_RLE) {
        return err_set(err, ERR_UNSUPPORTED,
                       "levels in encoding %lld%s, which gapscope does not read",
                       (long long)encoding, encoding == PARQUET_BIT_PACKED ? " (BIT_PACKED)" : "");
    }
    if (end - *at < 4 || le_u32(*at) > (size_t)(end - *at) - 4) {
        return err_set(err, ERR_CORRUPT, "the levels of a page are longer than the page");
    }
    const uint32_t len = le_u32(*at);
    levels_begin(l, *at + 4, len, levels_width(max));
    *at += 4 + len;
    return 0;
}

/* Decompresses a page of version 1 and begins its levels; *at is where its values begin. */
static int open_v1(struct parquet_column *c, const struct parquet_page *p, const unsigned char **at,
                   const unsigned char **end, struct err *err)
{
    int rc = decompress(c, c->raw.data, c->raw.len, &c->data, (size_t)p->bytes, err);
    *at = (const unsigned char *)c->data.data;
    *end = *at + c->data.len;
    rc = rc ? rc : take_levels(&c->repetitions, c->max_repetition, p->repetitions, at, *end, err);
    return rc ? rc : take_levels(&c->definitions, c->max_definition, p->definitions, at, *end, err);
}

/* The same of version 2, whose levels are not compressed and have no lengths in front. */
static int open_v2(struct parquet_column *c, const struct parquet_page *p, const unsigned char **at,
                   const unsigned char **end, struct err *err)
{
    const size_t n_repetitions = (size_t)p->repetition_bytes;
    const size_t n_levels = n_repetitions + (size_t)p->definition_bytes; // checked by the header
    const unsigned char *raw = (const unsigned char *)c->raw.data;
    levels_begin(&c->repetitions, raw, n_repetitions, levels_width(c->max_repetition));
    levels_begin(&c->definitions, raw + n_repetitions, n_levels - n_repetitions,
                 levels_width(c->max_definition));
    if (!p->is_compressed) {
        *at = raw + n_levels;
        *end = raw + c->raw.len;
        return p->bytes == p->compressed
                   ? 0
                   : err_set(err, ERR_CORRUPT, "a page that is not compressed has two lengths");
    }
    const int rc = decompress(c, c->raw.data + n_levels, c->raw.len - n_levels, &c->data,
                              (size_t)p->bytes - n_levels, err);
    *at = (const unsigned char *)c->data.data;
    *end = *at + c->data.len;
    return rc;
}

static int open_data(struct parquet_column *c, const struct parquet_page *p, struct err *err)
{
    const unsigned char *at = NULL, *end = NULL;
    uint64_t present = 0;
    if (p->n_values > c->n_left) {
        return err_set(err, ERR_CORRUPT, "a page of %lld values; its chunk has %lld left",
                       (long long)p->n_values, (long long)c->n_left);
    }
    int rc = p->type == PARQUET_DATA_PAGE ? open_v1(c, p, &at, &end, err)
                                          : open_v2(c, p, &at, &end, err);
    rc = rc ? rc : check_repetitions(c, p->n_values, err);
    rc = rc ? rc : count_present(c, p->n_values, &present, err);
    if (!rc && p->n_nulls >= 0 && (uint64_t)(p->n_values - p->n_nulls) != present) {
        // Writers differ in whether a list without items counts as a null.
        rc = c->max_repetition > 0 ? 0
                                   : err_set(err, ERR_CORRUPT,
                                             "a page says that %lld of %lld values are null, its "
                                             "levels say %llu",
                                             (long long)p->n_nulls, (long long)p->n_values,
                                             (unsigned long long)p->n_values - present);
    }
    rc = rc ? rc
            : parquet_values_begin(&c->values, p->encoding, at, (size_t)(end - at), present, err);
    if (!rc) {
        c->n_page = p->n_values;
        c->n_left -= p->n_values;
    }
    return rc;
}

static int too_few_values(const struct parquet_column *c, struct err *err)
{
    char why[100] = "";
    if (c->skipped >= 0) {
        snprintf(why, sizeof why, "; a page of type %lld, which is not known, was passed over",
                 (long long)c->skipped);
    }
    return err_set(err, ERR_CORRUPT, "the pages hold %lld values, the footer says %lld%s",
                   (long long)(c->chunk.n_values - c->n_left), (long long)c->chunk.n_values, why);
}

/* Reads the next page of the chunk, whatever it is. */
static int read_page(struct parquet_column *c, struct err *err)
{
    struct parquet_page p;
    size_t used = 0;
    c->page = c->at;
    if (c->at == c->chunk.ends) {
        return too_few_values(c, err);
    }
    int rc = read_header(c, &p, &used, err);
    if (rc) {
        return rc;
    }
    if ((uint64_t)p.compressed > c->chunk.ends - c->at - used) {
        return err_set(err, ERR_CORRUPT, "a page of %lld bytes goes beyond its chunk",
                       (long long)p.compressed);
    }
    const bool known = p.type == PARQUET_DATA_PAGE || p.type == PARQUET_DATA_PAGE_V2 ||
                       p.type == PARQUET_DICTIONARY_PAGE;
    const uint64_t data = c->at + used;
    c->at = data + (uint64_t)p.compressed;
    if (!known) {
        c->skipped = p.type;
        return 0;
    }
    if (!p.has_values) {
        return err_set(err, ERR_CORRUPT, "the header of a page does not say what is in it");
    }
    rc = read_raw(c, data, (size_t)p.compressed, err);
    rc = rc ? rc : check_crc(c, &p, err);
    if (rc) {
        return rc;
    }
    return p.type == PARQUET_DICTIONARY_PAGE ? read_dictionary(c, &p, err) : open_data(c, &p, err);
}

int column_next(struct parquet_column *c, struct parquet_value *value, struct err *err)
{
    *value = (struct parquet_value){0};
    while (c->n_page == 0) {
        if (c->n_left == 0) {
            value->end = true;
            return 0;
        }
        const int rc = read_page(c, err);
        if (rc) {
            return rc;
        }
    }
    c->n_page--;
    // All levels of the page have been checked.
    if (c->max_repetition > 0) {
        levels_next(&c->repetitions, &value->repetition);
    }
    if (c->max_definition > 0) {
        levels_next(&c->definitions, &value->definition);
    }
    return value->definition == c->max_definition ? parquet_values_next(&c->values, value, err) : 0;
}
