#include "corpora/parquet/parquet_codec.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "corpora/base/mem.h"

#if GAPSCOPE_SNAPPY
#include <snappy-c.h>
#endif
#if GAPSCOPE_LZ4
#include <lz4.h>
#endif
#if GAPSCOPE_BROTLI
#include <brotli/decode.h>
#endif

enum { PLAIN, SNAPPY, GZIP, LZO, BROTLI, LZ4_HADOOP, ZSTD, LZ4_RAW, N_CODECS };

struct codec_kind {
    const char *name;
    bool built_in;
    const char *package; // without which it is not built in; NULL: gapscope does not read it
};

static const struct codec_kind kinds[N_CODECS] = {
    [PLAIN] = {"UNCOMPRESSED", true, NULL},
    [SNAPPY] = {"SNAPPY", GAPSCOPE_SNAPPY, "libsnappy-dev"},
    [GZIP] = {"GZIP", true, NULL},
    [LZO] = {"LZO", false, NULL},
    [BROTLI] = {"BROTLI", GAPSCOPE_BROTLI, "libbrotli-dev"},
    [LZ4_HADOOP] = {"LZ4 (in Hadoop's frames)", false, NULL},
    [ZSTD] = {"ZSTD", true, NULL},
    [LZ4_RAW] = {"LZ4_RAW", GAPSCOPE_LZ4, "liblz4-dev"},
};

struct parquet_codec {
    ZSTD_DCtx *zstd;
    z_stream gzip;
    bool gzip_begun;
};

int parquet_codec_check(int64_t codec, struct err *err)
{
    if (codec < 0 || codec >= N_CODECS) {
        return err_set(err, ERR_UNSUPPORTED,
                       "compressed by codec %lld, which gapscope does not know; write the file "
                       "anew with ZSTD",
                       (long long)codec);
    }
    const struct codec_kind *k = &kinds[codec];
    if (k->built_in) {
        return 0;
    }
    if (k->package) {
        return err_set(err, ERR_UNSUPPORTED,
                       "compressed by %s, which this gapscope was built without: install %s and "
                       "build it again",
                       k->name, k->package);
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "compressed by %s, which gapscope does not read; write the file anew with ZSTD",
                   k->name);
}

int parquet_codec_new(struct parquet_codec **out, struct err *err)
{
    struct parquet_codec *c = mem_zero(1, sizeof *c);
    if (!c) {
        return err_nomem(err, "a decoder of pages");
    }
    *out = c;
    return 0;
}

void parquet_codec_free(struct parquet_codec *c)
{
    if (!c) {
        return;
    }
    ZSTD_freeDCtx(c->zstd);
    if (c->gzip_begun) {
        inflateEnd(&c->gzip);
    }
    free(c);
}

static int not_exact(const char *name, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "%s does not decode to the length that its header says", name);
}

static int by_zstd(struct parquet_codec *c, const void *from, size_t from_len, void *to,
                   size_t to_len, struct err *err)
{
    c->zstd = c->zstd ? c->zstd : ZSTD_createDCtx();
    if (!c->zstd) {
        return err_nomem(err, "a decoder of zstd");
    }
    const size_t n = ZSTD_decompressDCtx(c->zstd, to, to_len, from, from_len);
    if (ZSTD_isError(n)) {
        return err_set(err, ERR_CORRUPT, "zstd: %s", ZSTD_getErrorName(n));
    }
    return n == to_len ? 0 : not_exact("zstd", err);
}

/* Begins the decoder of gzip, or begins it anew. */
static int begin_gzip(struct parquet_codec *c, struct err *err)
{
    int rc = Z_OK;
    if (c->gzip_begun) {
        rc = inflateReset(&c->gzip);
    } else {
        rc = inflateInit2(&c->gzip, 15 + 32); // gzip or zlib
        c->gzip_begun = rc == Z_OK;
    }
    return rc == Z_OK ? 0 : err_nomem(err, "a decoder of gzip");
}

/* A page may consist of several members. */
static int by_gzip(struct parquet_codec *c, const void *from, size_t from_len, void *to,
                   size_t to_len, struct err *err)
{
    z_stream *z = &c->gzip;
    if (from_len > UINT_MAX || to_len > UINT_MAX) {
        return not_exact("gzip", err);
    }
    int rc = begin_gzip(c, err);
    z->next_in = (Bytef *)(uintptr_t)from;
    z->avail_in = (uInt)from_len;
    z->next_out = to;
    z->avail_out = (uInt)to_len;
    while (!rc) {
        const int status = inflate(z, Z_FINISH);
        if (status != Z_STREAM_END) {
            return err_set(err, ERR_CORRUPT, "gzip: %s",
                           z->msg              ? z->msg
                           : z->avail_out == 0 ? "it is longer than its header says"
                                               : "it ends too early");
        }
        if (z->avail_in == 0) {
            return z->avail_out == 0 ? 0 : not_exact("gzip", err);
        }
        rc = begin_gzip(c, err);
    }
    return rc;
}

static int by_snappy(const void *from, size_t from_len, void *to, size_t to_len, struct err *err)
{
#if GAPSCOPE_SNAPPY
    size_t n;
    if (snappy_uncompressed_length(from, from_len, &n) != SNAPPY_OK || n != to_len) {
        return not_exact("snappy", err);
    }
    return snappy_uncompress(from, from_len, to, &n) == SNAPPY_OK
               ? 0
               : err_set(err, ERR_CORRUPT, "snappy: it does not decode");
#else
    (void)from, (void)from_len, (void)to, (void)to_len;
    return parquet_codec_check(SNAPPY, err);
#endif
}

static int by_lz4(const void *from, size_t from_len, void *to, size_t to_len, struct err *err)
{
#if GAPSCOPE_LZ4
    if (from_len > INT_MAX || to_len > INT_MAX) {
        return not_exact("LZ4_RAW", err);
    }
    const int n = LZ4_decompress_safe(from, to, (int)from_len, (int)to_len);
    return n >= 0 && (size_t)n == to_len ? 0 : not_exact("LZ4_RAW", err);
#else
    (void)from, (void)from_len, (void)to, (void)to_len;
    return parquet_codec_check(LZ4_RAW, err);
#endif
}

static int by_brotli(const void *from, size_t from_len, void *to, size_t to_len, struct err *err)
{
#if GAPSCOPE_BROTLI
    size_t n = to_len;
    return BrotliDecoderDecompress(from_len, from, &n, to) == BROTLI_DECODER_RESULT_SUCCESS &&
                   n == to_len
               ? 0
               : not_exact("brotli", err);
#else
    (void)from, (void)from_len, (void)to, (void)to_len;
    return parquet_codec_check(BROTLI, err);
#endif
}

int parquet_decompress(struct parquet_codec *c, int64_t codec, const void *from, size_t from_len,
                       void *to, size_t to_len, struct err *err)
{
    switch (codec) {
    case PLAIN:
        if (from_len != to_len) {
            return not_exact("a page that is not compressed", err);
        }
        memcpy(to, from, to_len);
        return 0;
    case SNAPPY:
        return by_snappy(from, from_len, to, to_len, err);
    case GZIP:
        return by_gzip(c, from, from_len, to, to_len, err);
    case BROTLI:
        return by_brotli(from, from_len, to, to_len, err);
    case ZSTD:
        return by_zstd(c, from, from_len, to, to_len, err);
    case LZ4_RAW:
        return by_lz4(from, from_len, to, to_len, err);
    default:
        return parquet_codec_check(codec, err);
    }
}
