/*
 * bench_corpora.c - how fast a corpus becomes texts: zstd -> bytes -> lines -> JSON -> docs
 *
 *     bench_corpora [MIB]
 *
 * Writes MIB (256) of JSONL to a file in memory, texts of about 2.6 KB like those of the Pile,
 * packed as pack() packs (level 3, frames of 1 MiB), and reads it on one core: to bytes, to lines,
 * to docs, to units; docs also uncompressed, from gzip, and from Russian text that is escaped as
 * Python's json.dumps does.  Rates are in MB (10^6 bytes) of JSONL a second, best and median of 5
 * rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#include "corpora/base/jsonw.h"
#include "corpora/base/mem.h"
#include "corpora/lines.h"
#include "corpora/source.h"
#include "corpora/units.h"

#define ROUNDS 5

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "bench_corpora: %s failed\n", what);
        exit(1);
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Words drawn by a steep law, so that it compresses about as text does (a third), some escapes
 * and some letters beyond ASCII. */
static void make_corpus(struct buf *out, size_t bytes)
{
    static const char *const odd[] = {"\n\n",          "\"so\"", "caf\xc3\xa9",
                                      "\xe2\x80\x99s", "\n",     "(1)"};
    static char words[4096][12];
    uint64_t x = 1;
    for (size_t i = 0; i < 4096; i++) {
        const size_t len = 2 + i % 8;
        for (size_t k = 0; k < len; k++) {
            x = x * UINT64_C(6364136223846793005) + 1;
            words[i][k] = (char)('a' + (x >> 40) % 26);
        }
    }
    struct buf text = {0};
    while (out->len < bytes) {
        text.len = 0;
        while (text.len < 2600) {
            x = x * UINT64_C(6364136223846793005) + 1;
            const size_t a = (x >> 20) % 4096, b = (x >> 34) % 4096;
            const char *word = (x >> 50) % 25 ? words[a * b / 4096] : odd[(x >> 56) % 6];
            must(buf_printf(&text, NULL, "%s ", word) == 0, "memory");
        }
        must(buf_append(out, "{\"text\":", 8, NULL) == 0, "memory");
        must(jsonw_string(out, text.data, text.len, NULL) == 0, "memory");
        must(buf_printf(out, NULL, ",\"meta\":{\"pile_set_name\":\"Pile-CC\"}}\n") == 0, "memory");
    }
    buf_free(&text);
}

/* Texts of words of five Cyrillic letters, each letter an escape. */
static void make_escaped(struct buf *out, size_t bytes)
{
    uint64_t x = 1;
    while (out->len < bytes) {
        must(buf_append(out, "{\"text\":\"", 9, NULL) == 0, "memory");
        for (size_t i = 0; i < 2600; i++) {
            x = x * UINT64_C(6364136223846793005) + 1;
            must(buf_printf(out, NULL, i % 6 ? "\\u%04x" : " ", 0x430 + (unsigned)(x >> 40) % 32) ==
                     0,
                 "memory");
        }
        must(buf_append(out, "\"}\n", 3, NULL) == 0, "memory");
    }
}

/* A file without a name; its path is good as long as the program runs. */
static void put(const void *data, size_t len, char path[40])
{
    const int fd = memfd_create("bench", 0);
    must(fd >= 0, "memfd_create");
    for (size_t at = 0; at < len;) {
        const ssize_t n = write(fd, (const char *)data + at, len - at);
        must(n > 0, "write");
        at += (size_t)n;
    }
    snprintf(path, 40, "/proc/self/fd/%d", fd);
}

static void put_zstd(const struct buf *corpus, char path[40])
{
    struct buf packed = {0};
    for (size_t at = 0; at < corpus->len;) {
        const size_t left = corpus->len - at;
        const size_t n = left < (1u << 20) ? left : 1u << 20;
        must(buf_reserve(&packed, ZSTD_compressBound(n), NULL) == 0, "memory");
        const size_t made = ZSTD_compress(packed.data + packed.len, packed.cap - packed.len,
                                          corpus->data + at, n, 3);
        must(!ZSTD_isError(made), "zstd");
        packed.len += made;
        at += n;
    }
    printf("zstd -3: %.2f of the size\n", (double)packed.len / (double)corpus->len);
    put(packed.data, packed.len, path);
    buf_free(&packed);
}

static void put_gzip(const struct buf *corpus, char path[40])
{
    put("", 0, path);
    gzFile f = gzopen(path, "wb6");
    must(f != NULL, "gzip");
    for (size_t at = 0; at < corpus->len;) {
        const size_t left = corpus->len - at;
        const size_t n = left < (1u << 20) ? left : 1u << 20;
        must(gzwrite(f, corpus->data + at, (unsigned)n) == (int)n, "gzip");
        at += n;
    }
    must(gzclose(f) == Z_OK, "gzip");
}

static void read_bytes(const char *path)
{
    struct stream *s;
    const char *bytes;
    size_t len;
    must(stream_open(&s, path, NULL) == 0, "open");
    do {
        must(stream_read(s, &bytes, &len, NULL) == 0, "read");
    } while (len > 0);
    stream_close(s);
}

static void read_lines(const char *path)
{
    struct stream *s;
    must(stream_open(&s, path, NULL) == 0, "open");
    struct lines lines;
    struct line line;
    lines_begin(&lines, s, 0);
    do {
        must(lines_next(&lines, &line, NULL) == 0, "read");
    } while (line.number > 0);
    lines_end(&lines);
    stream_close(s);
}

static void read_docs(const char *path)
{
    struct source *s;
    struct doc doc;
    must(source_open(&s, path, NULL, NULL) == 0, "open");
    while (source_next(s, &doc, NULL) == SOURCE_DOC) {
    }
    must(rejects_total(source_rejects(s)) == 0, "every record");
    source_close(s);
}

static void read_units(const char *path)
{
    struct shards shards;
    struct units *r;
    const struct units_options options = {0};
    struct unit u = {0};
    must(shards_open(&shards, &path, 1, NULL) == 0, "open");
    must(units_open(&r, &shards, &options, NULL) == 0, "open");
    do {
        must(units_next(r, &u, NULL) == 0, "read");
    } while (u.number != UNIT_END);
    unit_free(&u);
    units_close(r);
    shards_free(&shards);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *what, void (*read)(const char *), const char *path, size_t bytes)
{
    double rates[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        const double begin = seconds();
        read(path);
        rates[i] = (double)bytes / 1e6 / (seconds() - begin);
    }
    qsort(rates, ROUNDS, sizeof *rates, by_value);
    printf("%-24s best %6.0f MB/s, median %6.0f MB/s\n", what, rates[ROUNDS - 1],
           rates[ROUNDS / 2]);
}

int main(int argc, char **argv)
{
    const size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 256;
    struct buf corpus = {0};
    char plain[40], zstd[40], gzip[40], escaped[40];
    make_corpus(&corpus, mib << 20);
    put(corpus.data, corpus.len, plain);
    put_zstd(&corpus, zstd);
    put_gzip(&corpus, gzip);
    const size_t bytes = corpus.len;
    buf_free(&corpus);
    make_escaped(&corpus, mib << 20);
    put(corpus.data, corpus.len, escaped);
    const size_t escaped_bytes = corpus.len;
    buf_free(&corpus);

    measure("zstd -> bytes", read_bytes, zstd, bytes);
    measure("zstd -> lines", read_lines, zstd, bytes);
    measure("zstd -> docs", read_docs, zstd, bytes);
    measure("zstd -> units", read_units, zstd, bytes);
    measure("plain -> docs", read_docs, plain, bytes);
    measure("gzip -> docs", read_docs, gzip, bytes);
    measure("escapes -> docs", read_docs, escaped, escaped_bytes);
    return 0;
}
