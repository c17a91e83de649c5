/*
 * zip.h - reads the stored entries of a zip archive in memory, as torch.save writes them
 *
 *     zip_open -> zip_find, zip_check, ... -> zip_close
 *
 * It reads only what torch writes: stored (not compressed) entries in one part, with or without
 * zip64 records.  zip_open() checks that no two entries share a name or a byte and that all are
 * inside the archive.
 *
 * Names and data point into the archive.
 */
#ifndef GAPSCOPE_MODEL_WEIGHTS_ZIP_H
#define GAPSCOPE_MODEL_WEIGHTS_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

struct zip_entry {
    const char *name; // [name_len], valid UTF-8 without NUL
    size_t name_len;
    const unsigned char *data; // [len]
    size_t len;
    uint32_t crc; // of data; 0 if none was computed (torch has an option for that)
};

struct zip {
    struct zip_entry *entries; // [n], sorted by name
    size_t n;
};

/* Errors: ERR_FORMAT, ERR_TRUNCATED, ERR_CORRUPT (a CRC), ERR_UNSUPPORTED (a compressed or
 * encrypted entry, an archive in parts), ERR_NOMEM; *out is {0} then. */
int zip_open(struct zip *out, const unsigned char *bytes, size_t len, struct err *err);

const struct zip_entry *zip_find(const struct zip *z, const char *name); // or NULL

/* Whether the entry's data matches its CRC.  Reads all of it. */
bool zip_entry_is_intact(const struct zip_entry *e);

/* Checks all entries; ERR_CORRUPT names one that does not match its CRC. */
int zip_check(const struct zip *z, struct err *err);

void zip_close(struct zip *z); // {0} is allowed

#endif
