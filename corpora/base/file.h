/*
 * file.h - reads a whole file, maps it, or writes it so that nobody sees a half-written one
 */
#ifndef GAPSCOPE_CORPORA_BASE_FILE_H
#define GAPSCOPE_CORPORA_BASE_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

/* Appends the whole of 'path' to *out.  Files over 'max_bytes' are refused (ERR_LIMIT).
 * Errors: ERR_NOT_FOUND (no such file), ERR_IO, ERR_LIMIT, ERR_NOMEM; the message begins with the
 * path. */
int file_read(const char *path, size_t max_bytes, struct buf *out, struct err *err);

/* The same for settings in JSON or YAML: a file of another kind, as foreign.h knows them, is refused
 * with its name and the way out (ERR_UNSUPPORTED); a byte order mark is left out. */
int file_read_text(const char *path, size_t max_bytes, struct buf *out, struct err *err);

bool file_is_regular(const char *path);
bool file_is_folder(const char *path);

/* The next entry of the open folder 'dir'.  NULL at its end, and where it cannot be read: then *rc
 * is ERR_IO; else *rc stays. */
struct dirent *file_entry(DIR *d, const char *dir, int *rc, struct err *err);

/* "dir/name" (just "name" if dir is "") as a new string that the caller frees; NULL: no memory. */
char *file_join(const char *dir, const char *name);

bool file_ends_with(const char *name, const char *end);

/* The part of 'path' after its last slash (slashes at the end do not count), as a new string that
 * the caller frees; NULL: no memory. */
char *file_base_name(const char *path);

/* A regular file mapped read-only.  A file of 0 bytes has data == NULL. */
struct file_map {
    const unsigned char *data; // [len], page-aligned
    size_t len;
};

/* Errors: ERR_NOT_FOUND, ERR_IO (also for a folder or a pipe); the message begins with the path. */
int file_map(struct file_map *out, const char *path, struct err *err);

/* The path of the mapped file that 'address' lies in, control characters shown as \xNN; NULL: none
 * (or more than 64 files are mapped).  A handler of SIGBUS may call this. */
const char *file_map_path(const void *address);

/* Lets the mapped pages that lie wholly in data[from, to) leave memory; they have been read. */
void file_map_done_with(const struct file_map *map, size_t from, size_t to);
void file_unmap(struct file_map *map); // {0} is allowed

/*
 * An output: standard output, or a file that appears under its name only when it is whole.
 *
 *     outfile_open -> fprintf(o.stream, ...)... -> outfile_commit   (or outfile_discard)
 *
 * A regular file is written as "path.tmp-PID" in the same folder and renamed by outfile_commit();
 * a device or a pipe (/dev/null) is written directly.
 */
struct outfile {
    FILE *stream;
    char *path;     // NULL: standard output
    char *tmp_path; // NULL: the output is written in place
    char *beside;   // outfile_beside()'s; NULL: none
};

/* path: NULL or "-" is standard output.  Errors: ERR_IO, ERR_NOMEM. */
int outfile_open(struct outfile *out, const char *path, struct err *err);

/* Flushes the stream and gives the file its name.  Ends *out whatever happens.
 * Errors: ERR_IO, also if an earlier write to the stream failed. */
int outfile_commit(struct outfile *out, struct err *err);

/* Ends *out and leaves nothing behind.  {0} is allowed. */
void outfile_discard(struct outfile *out);

/* Whoever writes the temporary file makes another beside it, "<tmp_path><ending>" (SQLite a
 * "-journal"): that one is removed with it.  Errors: ERR_NOMEM. */
int outfile_beside(struct outfile *out, const char *ending, struct err *err);

/* Removes the temporary files of the outfile that was opened last, if that is still open.  A signal
 * handler may call this; the program must end then. */
void outfile_abandon(void);

/* Temporary file i, from 0, that could not be removed, with strerror()'s text in *why; NULL: there
 * are no more (at most 4 are known). */
const char *outfile_leftover(size_t i, const char **why);

#endif
