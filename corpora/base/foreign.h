/*
 * foreign.h - what a file is that stands where another was expected
 *
 * A download that went wrong, a clone without Git LFS or a wrong path leaves a file of the right
 * name and of another kind.  Whoever reads settings, tokenizers, hypotheses, weights or runs asks
 * here, so that all of them say the same words.  Magic numbers are those of magic.h.
 */
#ifndef GAPSCOPE_CORPORA_BASE_FOREIGN_H
#define GAPSCOPE_CORPORA_BASE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"

/* How many bytes of a file foreign_find() looks at; fewer are enough only for a shorter file. */
#define FOREIGN_BYTES 512

/* A kind of file; the strings live as long as the program. */
struct foreign {
    const char *what;    // "a web page (HTML or XML)"
    const char *way_out; // "the download went wrong; ..."
};

/*
 * Finds what the file that begins with head[len] is, if it is a known kind that is neither JSON nor
 * YAML.  The caller has excluded the kinds that it reads: a zip file, a pickle and an SQLite
 * database are known.  An empty file (len == 0) is a kind, too.
 */
bool foreign_find(struct foreign *out, const void *head, size_t len);

/* The same for the file 'path'; false also if it cannot be read. */
bool foreign_find_file(struct foreign *out, const char *path);

/* ERR_UNSUPPORTED, "is a PDF file: name another file", if foreign_find() finds a kind; else
 * 0. */
int foreign_refuse(const void *head, size_t len, struct err *err);

#endif
