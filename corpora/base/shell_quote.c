#include "corpora/base/shell_quote.h"

#include <stdbool.h>
#include <string.h>

#include "corpora/base/utf8.h"

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

static bool is_printable(const char *word)
{
    const size_t len = strlen(word);
    bool printable = utf8_valid_prefix(word, len) == len;
    for (size_t i = 0; i < len && printable; i++) {
        printable = !is_control(word[i]);
    }
    return printable;
}

/* A byte inside '...'. */
static int quote_byte(struct buf *out, char c, struct err *err)
{
    return c == '\'' ? buf_printf(out, err, "'\\''") : buf_printf(out, err, "%c", c);
}

/* A byte inside $'...'. */
static int escape_byte(struct buf *out, char c, struct err *err)
{
    if (is_control(c) || (unsigned char)c >= 0x80) {
        return buf_printf(out, err, "\\x%02X", (unsigned char)c);
    }
    return buf_printf(out, err, "%s%c", c == '\'' || c == '\\' ? "\\" : "", c);
}

int shell_quote(struct buf *out, const char *word, struct err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=./:,@%";
    if (*word && !word[strspn(word, plain)]) {
        return buf_printf(out, err, "%s", word);
    }
    const bool printable = is_printable(word);
    int rc = buf_printf(out, err, "%s'", printable ? "" : "$");
    for (; *word && !rc; word++) {
        rc = (printable ? quote_byte : escape_byte)(out, *word, err);
    }
    return rc ? rc : buf_printf(out, err, "'");
}

char *shell_quoted(const char *word)
{
    struct buf out = {0};
    if (shell_quote(&out, word, NULL)) {
        buf_free(&out);
    }
    return out.data;
}
