/*
 * pack.h - makes a corpus, .jsonl.zst, from files and folders
 *
 * A text file becomes one record: {"text":...,"meta":{"path":...}}.  A text over DOC_MAX_BYTES is
 * cut as pieces.h says, just as a scan would cut it, and each piece becomes a record; from the
 * second on they say where they begin: "meta":{"path":...,"begins":...}.  Text is repaired UTF-8
 * without a BOM.
 *
 * Of a file of records in any shape (shape.h), each record that is an object is copied as it is, to
 * a line (invalid UTF-8 is repaired, blanks around it are dropped); a string, where records may be
 * strings, becomes {"text":...}.  A file holds records if its name says so (.jsonl, .ndjson, before
 * .zst, .zstd or .gz), or if its first record is an object with a text that jsonl.h finds, and not
 * one object over several lines: a JSON file of another kind is a text.
 *
 * A row of a Parquet file becomes {"text":...}, or {"ids":[...]} where no column holds texts, with
 * "meta":{"set":...} where the row has a domain (parquet.h); a row whose text is null is counted.
 *
 * Frames hold whole lines (about PACK_FRAME_BYTES of text) and a checksum, so that the file can be
 * cut, joined and read from any frame.
 */
#ifndef GAPSCOPE_CORPORA_PACK_H
#define GAPSCOPE_CORPORA_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "corpora/record_keys.h"

#define PACK_FRAME_BYTES ((size_t)1 << 20)

struct pack_counts {
    uint64_t files;           // files packed
    uint64_t records;         // records written
    uint64_t texts;           // of them, those with a text that jsonl.h finds, or with token ids
    uint64_t text_bytes;      // bytes of JSONL written, before compression
    uint64_t zst_bytes;       // bytes written
    uint64_t repaired;        // number of U+FFFD that replace invalid bytes
    uint64_t skipped_binary;  // files that are not text, as kind.h says
    uint64_t skipped_empty;   // files that have no byte, or only a BOM
    uint64_t skipped_special; // in folders: links to folders, devices, sockets, pipes; the output
    uint64_t skipped_again;   // folders that have been packed already
    uint64_t skipped_bad;     // records of JSONL files that are not objects
    uint64_t skipped_null;    // rows of Parquet files whose text or list of ids is null
    uint64_t unreadable;      // files and folders that could not be read, or not to their end
    struct record_keys keys;  // of the first record that is not in 'texts'
};

/* What the records of text files say beside their text and path. */
struct pack_domains {
    bool by_folder;   // "meta":{...,"set":...} is the folder, as pack_domain.h says
    const char *name; // it is this, of every text file; of Parquet files the column with it; NULL:
                      // none is given
};

/* pack() calls this for each file that it skips, that has bad records, or (unreadable) that could
 * not be read to its end; 'why' is for people.  'path' may hold any bytes.  NULL: no call. */
typedef void pack_note(void *context, const char *path, const char *why, bool unreadable);

struct pack_options {
    int level;         // zstd's
    const char *field; // the column of Parquet files, as in struct parquet_options
    struct pack_domains domains;
};

/*
 * Packs 'paths' (files, "-", or folders with everything below them in byte order of their names;
 * names that begin with a dot are skipped inside folders) to 'out'.  Files are decompressed as
 * stream.h says.  The same input gives the same bytes.  Memory is bounded, except that one JSONL
 * line is held whole and 24 bytes are held of each folder.
 *
 * Inside folders links to files are followed, and links to folders are not: name those.  Nothing
 * else than a regular file is opened there.  A folder is packed once, a file as often as it is
 * named.  The output is left out: 'out', and the file output_path that it will replace (NULL: none).
 *
 * What cannot be read inside a folder, and a file that is damaged, is counted in
 * counts->unreadable; the rest is packed, also what comes before the damage.
 *
 * Errors: ERR_NOT_FOUND, ERR_IO (of 'paths' themselves, of writing), ERR_NOMEM, ERR_USAGE (zstd has
 * no such level).
 */
int pack(FILE *out, const char *output_path, const char *const *paths, size_t n_paths,
         const struct pack_options *options, struct pack_counts *counts, pack_note *note,
         void *context, struct err *err);

#endif
