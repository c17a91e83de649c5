#include "corpora/base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "corpora/base/utf8.h"

const char *err_text(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return "no error";
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
        ERR_CODES(X)
#undef X
    }
    return "unknown error";
}

/* Copies 'from' into to[size] and ends it with a NUL.  Bytes of control characters, of those that
 * turn the direction of writing, and bytes that are not UTF-8 become \xNN. */
static void copy_printable(char *to, size_t size, const char *from)
{
    size_t n = 0, used;
    for (size_t left = strlen(from); left > 0; left -= used, from += used) {
        const uint32_t c = utf8_decode(from, left, &used);
        const bool plain =
            c != UINT32_MAX && c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !utf8_turns(c);
        if (n + (plain ? used : 4 * used) >= size) {
            break;
        }
        if (plain) {
            memcpy(to + n, from, used);
            n += used;
            continue;
        }
        for (size_t i = 0; i < used; i++) {
            n += (size_t)snprintf(to + n, size - n, "\\x%02X", (unsigned char)from[i]);
        }
    }
    to[n] = '\0';
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (!err) {
        return code;
    }
    char raw[sizeof err->msg];
    va_list args;
    va_start(args, fmt);
    vsnprintf(raw, sizeof raw, fmt, args);
    va_end(args);
    err->code = code;
    copy_printable(err->msg, sizeof err->msg, raw);
    return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    if (!err) {
        return ERR_FORMAT;
    }
    char raw[sizeof err->msg];
    va_list args;
    va_start(args, fmt);
    vsnprintf(raw, sizeof raw, fmt, args);
    va_end(args);

    char old[sizeof err->msg];
    memcpy(old, err->msg, sizeof old);
    copy_printable(err->msg, sizeof err->msg, raw);
    const size_t n = strlen(err->msg);
    snprintf(err->msg + n, sizeof err->msg - n, ": %s", old);
    err->msg[utf8_valid_prefix(err->msg, strlen(err->msg))] = '\0'; // drops half a character
    return err->code;
}

int err_nomem(struct err *err, const char *what)
{
    return err_set(err, ERR_NOMEM, "out of memory for %s", what);
}
