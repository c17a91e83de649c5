/*
 * scan_kit.h - what the tests of `gapscope scan` share: a folder, commands, corpora, run.db
 *
 * Nothing here knows how a scan works inside.  Whatever fails, fails the test in hand.
 */
#ifndef GAPSCOPE_TESTS_KIT_SCAN_KIT_H
#define GAPSCOPE_TESTS_KIT_SCAN_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "corpora/base/mem.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(GAPSCOPE_SMALL_TESTS)
#define KIT_SLOW 1 // a sanitizer makes the models 20 to 50 times as slow: smaller corpora
#else
#define KIT_SLOW 0
#endif

#define KIT_MODELS                                                                                 \
    " --model model/demo/attn-only-1l --model model/demo/gelu-1l --model model/demo/solu-1l "
#define KIT_PAIRS                                                                                  \
    " --pair attn-only-1l:gelu-1l --pair attn-only-1l:solu-1l"                                     \
    " --pair attn-only-1l:gelu-1l+solu-1l "

// --- a folder and commands in it

extern char kit_folder[]; // $T in commands

int kit_make_folder(void **state); // for cmocka_run_group_tests()
int kit_remove_folder(void **state);

/* "$T/name", valid for the next few calls. */
const char *kit_path(const char *name);

struct kit_ran {
    int status;
    struct buf out, err; // NUL-terminated
};

/* Runs a shell command, made by printf(), in the tree's root; "gapscope" is the program under test.
 */
void kit_run(struct kit_ran *r, const char *command, ...) __attribute__((format(printf, 2, 3)));
void kit_ran_free(struct kit_ran *r);

/* Runs a command that must end with 'status' and, where 'says' is not NULL, say that on standard
 * error.  It is made by printf(). */
void kit_expect(int status, const char *says, const char *command, ...)
    __attribute__((format(printf, 3, 4)));

/* Starts "gapscope <arguments>" (for a shell) as a process of its own, its messages in $T/.started.
 */
pid_t kit_start(const char *arguments);

/* The digest of $T/name, as `gapscope digest` prints it. */
void kit_digest(char digest[33], const char *name);

// --- corpora

struct kit_doc {
    uint64_t number; // in its shard
    char domain[32]; // "": none
    char *text;      // [len], normalised
    size_t len;
    size_t read_bytes; // before it was normalised
};

enum kit_reason { KIT_BAD_JSON, KIT_NOT_AN_OBJECT, KIT_NO_TEXT_FIELD, KIT_REASONS };
extern const char *const kit_reasons[KIT_REASONS];

struct kit_shard {
    char name[32];
    struct buf bytes;     // of the file, before compression
    struct kit_doc *docs; // [n_docs], in order
    size_t n_docs, docs_cap;
    uint64_t records;
    uint64_t rejects[KIT_REASONS];
};

/* A record {"text":<text, escaped>MEMBERS}; members: "" or ",\"source\":\"x\"" and the like, which
 * must make the domain 'domain'. */
void kit_add(struct kit_shard *s, const char *domain, const char *members, const char *text,
             size_t len);

/* A record as its line has it; text[len] is what is left of its text after normalising. */
void kit_add_line(struct kit_shard *s, const char *domain, const char *line, size_t read_bytes,
                  const char *text, size_t len);

/* A record that is rejected. */
void kit_add_bad(struct kit_shard *s, enum kit_reason reason, const char *line);

/* The file as one text, for a shard without records. */
void kit_add_text(struct kit_shard *s, const char *bytes, size_t len, const char *text,
                  size_t text_len);

/* Writes $T/<name>, compressed where the name ends in .zst. */
void kit_write(const struct kit_shard *s);
void kit_write_bytes(const char *name, const char *bytes, size_t len);

/* zstd frame of data[len], appended to *out. */
void kit_compress(struct buf *out, const char *data, size_t len);
void kit_shard_free(struct kit_shard *s);

// --- run.db

sqlite3 *kit_db(const char *name);

/* A query; its rows by kit_next(), which ends it after the last. */
sqlite3_stmt *kit_query(sqlite3 *db, const char *sql, ...) __attribute__((format(printf, 2, 3)));
bool kit_next(sqlite3_stmt *s);

/* The first column of the first row; fails where there is none. */
int64_t kit_number(sqlite3 *db, const char *sql, ...) __attribute__((format(printf, 2, 3)));

/* All rows of a query as text, "a|b|c\n", doubles with 17 digits. */
void kit_dump(struct buf *out, sqlite3 *db, const char *sql);

/* Fails unless the hits of both are the same in all that they hold, but for the gaps around their
 * own: those are as scanned, and may be up to 'off' nats apart. */
void kit_same_hits(sqlite3 *a, sqlite3 *b, double off);

#endif
