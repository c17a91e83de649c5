/*
 * pack.h - makes a corpus, .jsonl.zst, from files and folders
 *
 * One record a text file: {"text":...,"meta":{"path":...}}.  A text over DOC_MAX_BYTES is cut as
 * pieces.h says, just as a scan would cut it, and is a record a piece; the second and later say
 * where they begin: "meta":{"path":...,"begins":...}.  Text is repaired UTF-8 without a BOM.
 *
 * The records of files that are JSONL themselves are taken over one by one as they stand (invalid
 * UTF-8 repaired, blanks around them dropped), where they are objects.  A file is JSONL if its
 * name says so (.jsonl, .ndjson, before .zst, .zstd or .gz), or if its first non-blank line is an
 * object with a text that jsonl.h finds: a JSON file of another kind is a text.
 *
 * Frames hold whole lines (about PACK_FRAME_BYTES of text) and a checksum, so that the file can be
 * cut, joined and read from any frame.
 */
#ifndef GAPSCOPE_CORPORA_PACK_H
#define GAPSCOPE_CORPORA_PACK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "corpora/base/err.h"

#define PACK_FRAME_BYTES ((size_t)1 << 20)

struct pack_counts {
    uint64_t files;           // taken in
    uint64_t records;         // written
    uint64_t text_bytes;      // of JSONL written, before compression
    uint64_t zst_bytes;       // written
    uint64_t repaired;        // U+FFFD in place of invalid bytes
    uint64_t skipped_binary;  // files with a NUL byte in their first 8 KiB
    uint64_t skipped_empty;   // files of no byte, or a BOM alone
    uint64_t skipped_special; // links inside folders, devices, sockets, pipes; the output itself
    uint64_t skipped_bad;     // records of JSONL files that are no object
};

/* Called for each file skipped or with bad records, with the reason for people.  NULL: nothing is
 * said. */
typedef void pack_note(void *context, const char *path, const char *why);

/*
 * Packs 'paths' (files, "-", or folders with all below them in byte order of their names; names
 * that begin with a dot are passed over inside folders) to 'out' at zstd 'level'.  Files are
 * decompressed as stream.h says.  Same input, same bytes out.  Memory is bounded, but for JSONL
 * lines: one is held whole.
 * Errors: ERR_NOT_FOUND, ERR_IO (of reading, or of writing), ERR_NOMEM, ERR_USAGE (a level that
 * there is not), and those of stream_read() for a damaged file: a corpus is not made from half a
 * file.
 */
int pack(FILE *out, const char *const *paths, size_t n_paths, int level, struct pack_counts *counts,
         pack_note *note, void *context, struct err *err);

#endif
