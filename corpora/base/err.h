/*
 * err.h - what went wrong, for programs (a code) and for people (a sentence)
 *
 * A function that can fail returns 0 or a code and fills the 'struct err' its caller gave.
 * The lowest level says what is wrong in its own terms (byte, line, tensor); a caller that
 * knows more puts it in front:
 *
 *     return err_set(err, ERR_FORMAT, "byte %zu: unterminated string", at);
 *     ...
 *     return err_prefix(err, "%s: line %zu", path, line);
 *
 * gives "shard-03.jsonl.zst: line 1204: byte 88211: unterminated string".
 */
#ifndef GAPSCOPE_CORPORA_BASE_ERR_H
#define GAPSCOPE_CORPORA_BASE_ERR_H

#define ERR_CODES(X)                                                                               \
    X(ERR_NOMEM, "out of memory")                                                                  \
    X(ERR_IO, "input or output failed")                                                            \
    X(ERR_NOT_FOUND, "not found")                                                                  \
    X(ERR_FORMAT, "malformed")          /* its format does not allow this */                       \
    X(ERR_UNSUPPORTED, "not supported") /* well-formed, but we cannot use it */                    \
    X(ERR_LIMIT, "over a limit")                                                                   \
    X(ERR_TRUNCATED, "ends too early")                                                             \
    X(ERR_CORRUPT, "corrupt")             /* a checksum or decoder says so */                      \
    X(ERR_GARBAGE, "followed by garbage") /* after the last whole frame */                         \
    X(ERR_MISMATCH, "does not belong together")                                                    \
    X(ERR_USAGE, "wrong usage")

enum err_code {
    ERR_NONE = 0,
#define X(code, text) code,
    ERR_CODES(X)
#undef X
};

struct err {
    enum err_code code;
    char msg[1024]; // one line, no newline at the end; "" when code is ERR_NONE
};

/* What 'code' means in general, for a message of last resort.  Never NULL. */
const char *err_text(enum err_code code);

/* Fills *err (NULL allowed) and returns 'code'.  Control characters and bytes that are not UTF-8
 * are shown as \xNN, so that a name taken from a hostile file cannot drive a terminal. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<formatted>: " before err->msg and returns err->code.  A message that becomes too long
 * loses whole characters at its end. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Shorthand for err_set(err, ERR_NOMEM, "out of memory for ..."): 'what' names what did not fit. */
int err_nomem(struct err *err, const char *what);

#endif
