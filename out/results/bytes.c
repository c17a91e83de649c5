#include "out/results/bytes.h"

#include <string.h>

void bytes_put_raw(struct bytes_writer *w, const void *bytes, size_t len)
{
    if (!w->rc) {
        w->rc = buf_append(w->to, bytes, len, w->err);
    }
}

void bytes_put(struct bytes_writer *w, uint64_t value)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
    bytes_put_raw(w, bytes, sizeof bytes);
}

void bytes_put_text(struct bytes_writer *w, const char *text)
{
    bytes_put(w, strlen(text));
    bytes_put_raw(w, text, strlen(text));
}

void bytes_put_real(struct bytes_writer *w, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bytes_put(w, bits);
}

void bytes_bad(struct bytes_reader *r, const char *what)
{
    if (!r->rc) {
        r->rc = err_set(r->err, ERR_FORMAT, "%s is damaged: %s", r->of, what);
    }
}

uint64_t bytes_get(struct bytes_reader *r, uint64_t min, uint64_t max, const char *what)
{
    if (r->rc || r->left < 8) {
        bytes_bad(r, "it ends too early");
        return min;
    }
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value |= (uint64_t)r->at[i] << (8 * i);
    }
    r->at += 8;
    r->left -= 8;
    if (value < min || value > max) {
        bytes_bad(r, what);
        return min;
    }
    return value;
}

size_t bytes_get_n(struct bytes_reader *r, uint64_t max, size_t size, const char *what)
{
    const uint64_t n = bytes_get(r, 0, max, what);
    if (n > r->left / size) {
        bytes_bad(r, what);
    }
    return r->rc ? 0 : (size_t)n;
}

char *bytes_get_text(struct bytes_reader *r, const char *what)
{
    const size_t len = bytes_get_n(r, SIZE_MAX, 1, what);
    if (!r->rc && memchr(r->at, 0, len)) {
        bytes_bad(r, what);
    }
    if (r->rc) {
        return NULL;
    }
    char *text = strndup((const char *)r->at, len);
    if (!text) {
        r->rc = err_nomem(r->err, what);
        return NULL;
    }
    r->at += len;
    r->left -= len;
    return text;
}

/* n zeroed items; *n_out is set with them, so that run_free() sees no more than there are. */
void *bytes_get_room(struct bytes_reader *r, size_t n, size_t size, size_t *n_out, const char *what)
{
    void *items = r->rc ? NULL : mem_zero(n, size);
    if (!items && !r->rc) {
        r->rc = err_nomem(r->err, what);
    }
    *n_out = items ? n : 0;
    return items;
}

double bytes_get_real(struct bytes_reader *r, const char *what)
{
    const uint64_t bits = bytes_get(r, 0, UINT64_MAX, what);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
