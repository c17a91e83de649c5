/*
 * magic.h - the magic numbers of files: what a file is by certain bytes at a certain place
 *
 * One table for all who ask: kind.h (is it a text?) and foreign.h (what stands where settings,
 * weights or a run should?).  A row has the place and the bytes, the name, and two ways out: one
 * for who wants to read it as text, one for who expected another file.
 */
#ifndef GAPSCOPE_CORPORA_BASE_MAGIC_H
#define GAPSCOPE_CORPORA_BASE_MAGIC_H

#include <stdbool.h>
#include <stddef.h>

/* A kind of file, and how to make text of it. */
struct kind {
    const char *name; // "a tar archive"
    // A command that writes the text of FILE to standard output; NULL: there is none
    const char *command;
    const char *advice; // what else helps; NULL: nothing
};

struct magic {
    size_t at;
    size_t len;
    const char *bytes; // [len]
    bool weak; // so short that a text may begin so: the caller has other signs that it is none
    size_t file_bytes; // longer files are not of this kind; 0: any length
    struct kind kind;
    const char *instead; // what to do where another file was expected; NULL: name another one
};

/* The row of the file that begins with bytes[len]; NULL: there is none.  weak: look at the weak
 * rows, and only at those. */
const struct magic *magic_find(const void *bytes, size_t len, bool weak);

// Names and ways out of kinds that have rows, for those that are also found otherwise.
#define MAGIC_UNPACK                                                                               \
    "unpack it; `gapscope pack FOLDER -o NEW.jsonl.zst` then makes a corpus of its files"
#define MAGIC_TAR "a tar archive", "tar -xOf FILE", MAGIC_UNPACK
#define MAGIC_CPIO "a cpio archive", NULL, MAGIC_UNPACK
#define MAGIC_TO_JSONL "write its text column to JSONL first: "
#define MAGIC_ARROW                                                                                \
    "`python3 -c \"import datasets; datasets.Dataset.from_file('FILE').to_json('NEW.jsonl')\"`"
#define MAGIC_ARROW_STREAM "an Arrow stream", NULL, MAGIC_TO_JSONL MAGIC_ARROW
#define MAGIC_IDS "token ids are read from JSONL, {\"ids\":[1,2,3]} on each line, with --ids"
#define MAGIC_UTF16 "UTF-16, not UTF-8", "iconv -f UTF-16 -t UTF-8 FILE", NULL
#define MAGIC_TO_UTF8 "convert it to UTF-8, for example with iconv -f "

#endif
