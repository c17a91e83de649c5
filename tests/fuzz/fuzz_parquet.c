/* Property: any bytes are refused with a message, or give rows, none after the end, and the same ones
 * when they are read again; the reader never says that it has read more than there is. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "corpora/parquet/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A few bytes can be rows without end, all alike.
#define ROWS_MAX 20000
#define BYTES_MAX ((size_t)16 << 20)

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static uint64_t hash_row(const struct parquet_row *row, uint64_t hash)
{
    const unsigned char flags[3] = {row->is_null, row->null_id, row->domain != NULL};
    check(row->domain || row->domain_len == 0);
    hash = XXH64(flags, sizeof flags, hash);
    hash = row->len ? XXH64(row->text, row->len, hash) : hash;
    hash = row->domain ? XXH64(row->domain, row->domain_len, hash) : hash;
    return row->n_ids ? XXH64(row->ids, row->n_ids * sizeof *row->ids, hash) : hash;
}

/* The hash of all rows and of the end. */
static uint64_t read_all(const char *path, enum parquet_want want, size_t size)
{
    struct parquet *p = NULL;
    struct err err = {0};
    const struct parquet_options o = {.want = want};
    uint64_t hash = 0, n = 0;
    size_t bytes = 0;
    if (parquet_open(&p, path, &o, &err)) {
        check(err.msg[0] && !p);
        return XXH64(err.msg, sizeof err.msg, 0);
    }
    check(err.code == ERR_NONE && parquet_bytes(p) == size);
    struct parquet_row row = {0};
    while (n < ROWS_MAX && bytes < BYTES_MAX) {
        const int rc = parquet_next(p, &row, &err);
        check(parquet_tell(p) <= size);
        if (rc) {
            struct err again;
            check(err.msg[0] && parquet_next(p, &row, &again) == rc);
            break;
        }
        if (row.end) {
            check(parquet_next(p, &row, &err) == 0 && row.end);
            break;
        }
        n++;
        bytes += row.len + row.n_ids * sizeof *row.ids;
        hash = hash_row(&row, hash);
        check(parquet_rows(p) == n);
    }
    parquet_close(p);
    return hash + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[40];
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    check(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (int want = PARQUET_TEXTS; want <= PARQUET_TEXTS_OR_IDS; want++) {
        const uint64_t once = read_all(path, (enum parquet_want)want, size);
        check(read_all(path, (enum parquet_want)want, size) == once);
    }
    close(fd);
    return 0;
}
