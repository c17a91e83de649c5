#include "model/weights/pickle_machine.h"

#include <stdarg.h>
#include <stdio.h>

#include "corpora/base/mem.h"

const char *const pickle_opcode_names[256] = {
#define X(name, byte) [byte] = #name,
    PICKLE_OPCODES(X) PICKLE_OPCODES_REFUSED(X)
#undef X
};

int machine_fail(struct machine *m, enum err_code code, const char *fmt, ...)
{
    char what[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return err_set(m->err, code, "byte %zu: %s: %s", m->op_at, pickle_opcode_names[m->op], what);
}

/* --- memory ---------------------------------------------------------------------------------- */

static int charge(struct machine *m, size_t bytes)
{
    if (bytes > PICKLE_MAX_MEMORY - m->p->memory) {
        return machine_fail(m, ERR_LIMIT, "the pickle needs more than %zu MiB of memory",
                            PICKLE_MAX_MEMORY >> 20);
    }
    m->p->memory += bytes;
    return 0;
}

void *machine_take(struct machine *m, size_t bytes)
{
    if (charge(m, sizeof(struct pickle_block) + bytes)) {
        return NULL;
    }
    struct pickle_block *block = mem_zero(1, sizeof *block + bytes);
    if (!block) {
        err_nomem(m->err, "a pickle");
        return NULL;
    }
    block->next = m->p->blocks;
    m->p->blocks = block;
    return block->data;
}

int machine_reserve(struct machine *m, void *items, size_t *cap, size_t want)
{
    const size_t before = *cap;
    if (want > before) {
        const size_t grown = want + want / 2; // at least as much as mem_reserve() will take
        const int rc = charge(m, (grown + 16 - before) * sizeof(void *));
        if (rc) {
            return rc;
        }
    }
    return mem_reserve(items, cap, want, sizeof(void *), "a pickle", m->err);
}

struct pickle_value *machine_new(struct machine *m, enum pickle_kind kind)
{
    struct pickle_value *v = machine_take(m, sizeof *v);
    if (v) {
        v->kind = kind;
    }
    return v;
}

int machine_add_item(struct machine *m, struct pickle_value *to, const struct pickle_value *key,
                     const struct pickle_value *value)
{
    struct pickle_item *item = machine_take(m, sizeof *item);
    if (!item) {
        return m->err->code;
    }
    item->key = key;
    item->value = value;
    if (to->last) {
        to->last->next = item;
    } else {
        to->first = item;
    }
    to->last = item;
    return 0;
}

/* --- the stack ------------------------------------------------------------------------------- */

int machine_push(struct machine *m, struct pickle_value *v)
{
    if (!v) {
        return m->err->code;
    }
    const int rc = machine_reserve(m, &m->stack, &m->stack_cap, m->n_stack + 1);
    if (!rc) {
        m->stack[m->n_stack++] = v;
    }
    return rc;
}

int machine_push_kind(struct machine *m, enum pickle_kind kind)
{
    return machine_push(m, machine_new(m, kind));
}

int machine_push_integer(struct machine *m, enum pickle_kind kind, int64_t integer)
{
    struct pickle_value *v = machine_new(m, kind);
    if (v) {
        v->integer = integer;
    }
    return machine_push(m, v);
}

int machine_need(struct machine *m, size_t n)
{
    const size_t above = m->n_stack - (m->n_marks ? m->marks[m->n_marks - 1] : 0);
    if (above < n) {
        return machine_fail(m, ERR_FORMAT, "takes %zu values from a stack of %zu", n, above);
    }
    return 0;
}

struct pickle_value *machine_top(const struct machine *m)
{
    return m->stack[m->n_stack - 1];
}

int machine_pop_mark(struct machine *m, size_t *from)
{
    if (m->n_marks == 0) {
        return machine_fail(m, ERR_FORMAT, "no MARK is set");
    }
    *from = m->marks[--m->n_marks];
    return 0;
}

/* --- the bytes ------------------------------------------------------------------------------- */

const unsigned char *machine_next(struct machine *m, uint64_t n)
{
    if (n > m->len - m->at) {
        machine_fail(m, ERR_TRUNCATED, "takes %llu bytes, %zu are left", (unsigned long long)n,
                     m->len - m->at);
        return NULL;
    }
    const unsigned char *p = m->bytes + m->at;
    m->at += n;
    return p;
}

int machine_push_text(struct machine *m, uint64_t len)
{
    const unsigned char *p = machine_next(m, len);
    struct pickle_value *v = p ? machine_new(m, PICKLE_TEXT) : NULL;
    if (v) {
        v->text = (const char *)p;
        v->text_len = len;
    }
    return machine_push(m, v);
}

int machine_push_long(struct machine *m, size_t n)
{
    if (n > sizeof(int64_t)) {
        return machine_fail(m, ERR_UNSUPPORTED, "a number of %zu bytes", n);
    }
    const unsigned char *p = machine_next(m, n);
    if (!p) {
        return m->err->code;
    }
    uint64_t bits = n && p[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = n; i-- > 0;) {
        bits = bits << 8 | p[i];
    }
    return machine_push_integer(m, PICKLE_INT, (int64_t)bits);
}
