#include "model/weights/pickle.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

/* The opcodes of protocols 0 to 5.  Those of the first list are known to the machine. */
#define OPCODES(X)                                                                                 \
    X(MARK, '(')                                                                                   \
    X(STOP, '.')                                                                                   \
    X(BININT, 'J')                                                                                 \
    X(BININT1, 'K')                                                                                \
    X(BININT2, 'M')                                                                                \
    X(NONE, 'N')                                                                                   \
    X(BINPERSID, 'Q')                                                                              \
    X(REDUCE, 'R')                                                                                 \
    X(BINUNICODE, 'X')                                                                             \
    X(EMPTY_LIST, ']')                                                                             \
    X(APPEND, 'a')                                                                                 \
    X(BUILD, 'b')                                                                                  \
    X(GLOBAL, 'c')                                                                                 \
    X(APPENDS, 'e')                                                                                \
    X(BINGET, 'h')                                                                                 \
    X(LONG_BINGET, 'j')                                                                            \
    X(BINPUT, 'q')                                                                                 \
    X(LONG_BINPUT, 'r')                                                                            \
    X(SETITEM, 's')                                                                                \
    X(TUPLE, 't')                                                                                  \
    X(EMPTY_TUPLE, ')')                                                                            \
    X(SETITEMS, 'u')                                                                               \
    X(EMPTY_DICT, '}')                                                                             \
    X(BINFLOAT, 'G')                                                                               \
    X(PROTO, 0x80)                                                                                 \
    X(TUPLE1, 0x85)                                                                                \
    X(TUPLE2, 0x86)                                                                                \
    X(TUPLE3, 0x87)                                                                                \
    X(NEWTRUE, 0x88)                                                                               \
    X(NEWFALSE, 0x89)                                                                              \
    X(LONG1, 0x8a)                                                                                 \
    X(SHORT_BINUNICODE, 0x8c)                                                                      \
    X(STACK_GLOBAL, 0x93)                                                                          \
    X(MEMOIZE, 0x94)                                                                               \
    X(FRAME, 0x95)

#define OPCODES_REFUSED(X)                                                                         \
    X(POP, '0')                                                                                    \
    X(POP_MARK, '1')                                                                               \
    X(DUP, '2')                                                                                    \
    X(FLOAT, 'F')                                                                                  \
    X(INT, 'I')                                                                                    \
    X(LONG, 'L')                                                                                   \
    X(PERSID, 'P')                                                                                 \
    X(STRING, 'S')                                                                                 \
    X(BINSTRING, 'T')                                                                              \
    X(SHORT_BINSTRING, 'U')                                                                        \
    X(UNICODE, 'V')                                                                                \
    X(DICT, 'd')                                                                                   \
    X(GET, 'g')                                                                                    \
    X(INST, 'i')                                                                                   \
    X(LIST, 'l')                                                                                   \
    X(OBJ, 'o')                                                                                    \
    X(PUT, 'p')                                                                                    \
    X(BINBYTES, 'B')                                                                               \
    X(SHORT_BINBYTES, 'C')                                                                         \
    X(NEWOBJ, 0x81)                                                                                \
    X(EXT1, 0x82)                                                                                  \
    X(EXT2, 0x83)                                                                                  \
    X(EXT4, 0x84)                                                                                  \
    X(LONG4, 0x8b)                                                                                 \
    X(BINUNICODE8, 0x8d)                                                                           \
    X(BINBYTES8, 0x8e)                                                                             \
    X(EMPTY_SET, 0x8f)                                                                             \
    X(ADDITEMS, 0x90)                                                                              \
    X(FROZENSET, 0x91)                                                                             \
    X(NEWOBJ_EX, 0x92)                                                                             \
    X(BYTEARRAY8, 0x96)                                                                            \
    X(NEXT_BUFFER, 0x97)                                                                           \
    X(READONLY_BUFFER, 0x98)

enum opcode {
#define X(name, byte) OP_##name = (byte),
    OPCODES(X)
#undef X
};

static const char *const opcode_names[256] = {
#define X(name, byte) [byte] = #name,
    OPCODES(X) OPCODES_REFUSED(X)
#undef X
};

static const struct {
    const char *module, *name;
} globals[] = {
#define X(id, module, name) [id] = {module, name},
    PICKLE_GLOBALS(X)
#undef X
};

/* One allocation.  Each has a block of its own, so that AddressSanitizer sees accesses outside
 * it. */
struct pickle_block {
    struct pickle_block *next;
    max_align_t data[];
};

struct machine {
    const unsigned char *bytes; // [len]
    size_t len;
    size_t at;        // the next byte to read
    size_t op_at;     // offset of the current opcode
    unsigned char op; // the current opcode
    bool stopped;
    struct pickle *p; // owns all values

    struct pickle_value **stack; // [n_stack]
    size_t n_stack, stack_cap;
    size_t *marks; // [n_marks], ascending heights of the stack
    size_t n_marks, marks_cap;
    struct pickle_value **memo; // [memo_len], NULL where not set
    size_t memo_len, memo_cap;
    size_t memo_used; // number of entries that are set
    struct err *err;  // never NULL
};

static int fail(struct machine *m, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct machine *m, enum err_code code, const char *fmt, ...)
{
    char what[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return err_set(m->err, code, "byte %zu: %s: %s", m->op_at, opcode_names[m->op], what);
}

/* --- memory ---------------------------------------------------------------------------------- */

static int charge(struct machine *m, size_t bytes)
{
    if (bytes > PICKLE_MAX_MEMORY - m->p->memory) {
        return fail(m, ERR_LIMIT, "the pickle needs more than %zu MiB of memory",
                    PICKLE_MAX_MEMORY >> 20);
    }
    m->p->memory += bytes;
    return 0;
}

/* Zeroed memory that lives as long as the pickle; NULL with m->err set if there is no memory.
 * 'bytes' is bounded by the pickle's length, so the sums here do not overflow. */
static void *take(struct machine *m, size_t bytes)
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

/* Like mem_reserve(), for pointers or heights, but within the memory limit. */
static int reserve(struct machine *m, void *items, size_t *cap, size_t want)
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

static struct pickle_value *new_value(struct machine *m, enum pickle_kind kind)
{
    struct pickle_value *v = take(m, sizeof *v);
    if (v) {
        v->kind = kind;
    }
    return v;
}

static int add_item(struct machine *m, struct pickle_value *to, const struct pickle_value *key,
                    const struct pickle_value *value)
{
    struct pickle_item *item = take(m, sizeof *item);
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

/* Pushes v; v == NULL is a value that could not be made, and its error is already set. */
static int push(struct machine *m, struct pickle_value *v)
{
    if (!v) {
        return m->err->code;
    }
    const int rc = reserve(m, &m->stack, &m->stack_cap, m->n_stack + 1);
    if (!rc) {
        m->stack[m->n_stack++] = v;
    }
    return rc;
}

static int push_kind(struct machine *m, enum pickle_kind kind)
{
    return push(m, new_value(m, kind));
}

static int push_integer(struct machine *m, enum pickle_kind kind, int64_t integer)
{
    struct pickle_value *v = new_value(m, kind);
    if (v) {
        v->integer = integer;
    }
    return push(m, v);
}

/* Checks that there are n values on the stack above the last mark. */
static int need(struct machine *m, size_t n)
{
    const size_t above = m->n_stack - (m->n_marks ? m->marks[m->n_marks - 1] : 0);
    if (above < n) {
        return fail(m, ERR_FORMAT, "takes %zu values from a stack of %zu", n, above);
    }
    return 0;
}

static struct pickle_value *top(const struct machine *m)
{
    return m->stack[m->n_stack - 1];
}

/* Removes the last mark; *from is its height. */
static int pop_mark(struct machine *m, size_t *from)
{
    if (m->n_marks == 0) {
        return fail(m, ERR_FORMAT, "no MARK is set");
    }
    *from = m->marks[--m->n_marks];
    return 0;
}

/* --- the bytes ------------------------------------------------------------------------------- */

/* The next n bytes, or NULL with m->err set. */
static const unsigned char *next(struct machine *m, uint64_t n)
{
    if (n > m->len - m->at) {
        fail(m, ERR_TRUNCATED, "takes %llu bytes, %zu are left", (unsigned long long)n,
             m->len - m->at);
        return NULL;
    }
    const unsigned char *p = m->bytes + m->at;
    m->at += n;
    return p;
}

static int push_text(struct machine *m, uint64_t len)
{
    const unsigned char *p = next(m, len);
    struct pickle_value *v = p ? new_value(m, PICKLE_TEXT) : NULL;
    if (v) {
        v->text = (const char *)p;
        v->text_len = len;
    }
    return push(m, v);
}

/* Reads a little-endian two's complement number of n bytes. */
static int push_long(struct machine *m, size_t n)
{
    if (n > sizeof(int64_t)) {
        return fail(m, ERR_UNSUPPORTED, "a number of %zu bytes", n);
    }
    const unsigned char *p = next(m, n);
    if (!p) {
        return m->err->code;
    }
    uint64_t bits = n && p[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = n; i-- > 0;) {
        bits = bits << 8 | p[i];
    }
    return push_integer(m, PICKLE_INT, (int64_t)bits);
}

/* --- opcodes --------------------------------------------------------------------------------- */

static int put(struct machine *m, size_t index)
{
    int rc = need(m, 1);
    if (rc) {
        return rc;
    }
    // Each entry is put by an opcode of its own, so an index need not be larger than the offset.
    if (index > m->op_at) {
        return fail(m, ERR_FORMAT, "memo entry %zu at byte %zu", index, m->op_at);
    }
    if (index >= m->memo_len) {
        rc = reserve(m, &m->memo, &m->memo_cap, index + 1);
        if (rc) {
            return rc;
        }
        memset(m->memo + m->memo_len, 0, (index + 1 - m->memo_len) * sizeof *m->memo);
        m->memo_len = index + 1;
    }
    m->memo_used += m->memo[index] == NULL;
    m->memo[index] = top(m);
    return 0;
}

static int get(struct machine *m, size_t index)
{
    if (index >= m->memo_len || !m->memo[index]) {
        return fail(m, ERR_FORMAT, "memo entry %zu was never put", index);
    }
    return push(m, m->memo[index]);
}

/* Makes a tuple of the values from height 'from' on. */
static int make_tuple(struct machine *m, size_t from)
{
    const size_t n = m->n_stack - from;
    struct pickle_value *v = new_value(m, PICKLE_TUPLE);
    struct pickle_value **items = v ? take(m, n * sizeof *items) : NULL;
    if (!items) {
        return m->err->code;
    }
    if (n) {
        memcpy(items, m->stack + from, n * sizeof *items);
    }
    v->items = items;
    v->n_items = n;
    m->n_stack = from;
    return push(m, v);
}

static int make_tuple_of(struct machine *m, size_t n)
{
    const int rc = need(m, n);
    return rc ? rc : make_tuple(m, m->n_stack - n);
}

static int push_global(struct machine *m, const char *module, size_t module_len, const char *name,
                       size_t name_len)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (strlen(globals[i].module) == module_len && strlen(globals[i].name) == name_len &&
            memcmp(globals[i].module, module, module_len) == 0 &&
            memcmp(globals[i].name, name, name_len) == 0) {
            struct pickle_value *v = new_value(m, PICKLE_GLOBAL);
            if (v) {
                v->global = (enum pickle_global)i;
            }
            return push(m, v);
        }
    }
    const int cut = 100;
    return fail(
        m, ERR_UNSUPPORTED,
        "%.*s.%.*s is not part of a dict of tensors and may run code: refused.  If the file "
        "is yours, save only model.state_dict()",
        module_len < 100 ? (int)module_len : cut, module, name_len < 100 ? (int)name_len : cut,
        name);
}

/* Reads "module\nname\n". */
static int global(struct machine *m)
{
    const char *line[2];
    size_t len[2];
    for (int i = 0; i < 2; i++) {
        line[i] = (const char *)m->bytes + m->at;
        const char *end = m->at < m->len ? memchr(line[i], '\n', m->len - m->at) : NULL;
        if (!end) {
            return fail(m, ERR_TRUNCATED, "a name without an end");
        }
        len[i] = (size_t)(end - line[i]);
        m->at += len[i] + 1;
    }
    return push_global(m, line[0], len[0], line[1], len[1]);
}

static int stack_global(struct machine *m)
{
    const int rc = need(m, 2);
    if (rc) {
        return rc;
    }
    const struct pickle_value *name = m->stack[--m->n_stack], *module = m->stack[--m->n_stack];
    if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT) {
        return fail(m, ERR_FORMAT, "its names are %s and %s", pickle_kind_name(module->kind),
                    pickle_kind_name(name->kind));
    }
    return push_global(m, module->text, module->text_len, name->text, name->text_len);
}

static int reduce(struct machine *m)
{
    const int rc = need(m, 2);
    if (rc) {
        return rc;
    }
    const struct pickle_value *args = m->stack[--m->n_stack], *callee = m->stack[--m->n_stack];
    if (callee->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE) {
        return fail(m, ERR_FORMAT, "calls %s with %s", pickle_kind_name(callee->kind),
                    pickle_kind_name(args->kind));
    }
    switch (callee->global) {
    case PICKLE_ORDERED_DICT:
        if (args->n_items > 0) {
            return fail(m, ERR_UNSUPPORTED, "an OrderedDict that is made with arguments");
        }
        return push_kind(m, PICKLE_DICT);
    case PICKLE_REBUILD_TENSOR:
    case PICKLE_REBUILD_PARAMETER: {
        struct pickle_value *v = new_value(m, PICKLE_CALL);
        if (v) {
            v->global = callee->global;
            v->args = args;
        }
        return push(m, v);
    }
    default:
        return fail(m, ERR_UNSUPPORTED, "calls %s.%s", globals[callee->global].module,
                    globals[callee->global].name);
    }
}

/* Drops the attributes of a dict: a state dict's "_metadata" says nothing about its tensors. */
static int build(struct machine *m)
{
    const int rc = need(m, 2);
    if (rc) {
        return rc;
    }
    const struct pickle_value *state = m->stack[--m->n_stack];
    if (top(m)->kind != PICKLE_DICT || state->kind != PICKLE_DICT) {
        return fail(m, ERR_UNSUPPORTED, "gives %s to %s", pickle_kind_name(state->kind),
                    pickle_kind_name(top(m)->kind));
    }
    return 0;
}

static int persistent(struct machine *m)
{
    const int rc = need(m, 1);
    if (rc) {
        return rc;
    }
    const struct pickle_value *id = m->stack[--m->n_stack];
    if (id->kind != PICKLE_TUPLE) {
        return fail(m, ERR_FORMAT, "the id is %s", pickle_kind_name(id->kind));
    }
    struct pickle_value *v = new_value(m, PICKLE_PERSISTENT);
    if (!v) {
        return m->err->code;
    }
    v->args = id;
    v->number = m->p->n_persistents++;
    const int failed = add_item(m, m->p->persistents, NULL, v);
    return failed ? failed : push(m, v);
}

/* Moves the values from height 'from' on into the list below them. */
static int append(struct machine *m, size_t from)
{
    struct pickle_value *list = m->stack[from - 1];
    if (list->kind != PICKLE_LIST) {
        return fail(m, ERR_FORMAT, "appends to %s", pickle_kind_name(list->kind));
    }
    for (size_t i = from; i < m->n_stack; i++) {
        const int rc = add_item(m, list, NULL, m->stack[i]);
        if (rc) {
            return rc;
        }
    }
    m->n_stack = from;
    return 0;
}

/* Moves the keys and values from height 'from' on into the dict below them. */
static int set_items(struct machine *m, size_t from)
{
    struct pickle_value *dict = m->stack[from - 1];
    if (dict->kind != PICKLE_DICT) {
        return fail(m, ERR_FORMAT, "sets items of %s", pickle_kind_name(dict->kind));
    }
    if ((m->n_stack - from) % 2) {
        return fail(m, ERR_FORMAT, "a key without a value");
    }
    for (size_t i = from; i < m->n_stack; i += 2) {
        const int rc = add_item(m, dict, m->stack[i], m->stack[i + 1]);
        if (rc) {
            return rc;
        }
    }
    m->n_stack = from;
    return 0;
}

/* Calls 'add' with the values above the last mark. */
static int add_marked(struct machine *m, int (*add)(struct machine *m, size_t from))
{
    size_t from = 0;
    int rc = pop_mark(m, &from);
    if (rc) {
        return rc;
    }
    const size_t fence = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    if (from == fence) {
        return fail(m, ERR_FORMAT, "nothing to add to");
    }
    return add(m, from);
}

/* Calls 'add' with the n topmost values. */
static int add_topmost(struct machine *m, size_t n, int (*add)(struct machine *m, size_t from))
{
    const int rc = need(m, n + 1);
    return rc ? rc : add(m, m->n_stack - n);
}

static int mark(struct machine *m)
{
    const int rc = reserve(m, &m->marks, &m->marks_cap, m->n_marks + 1);
    if (!rc) {
        m->marks[m->n_marks++] = m->n_stack;
    }
    return rc;
}

static int stop(struct machine *m)
{
    if (m->n_stack != 1 || m->n_marks != 0) {
        return fail(m, ERR_FORMAT, "%zu values and %zu marks are left; expected 1 and 0",
                    m->n_stack, m->n_marks);
    }
    m->p->root = top(m);
    m->stopped = true;
    return 0;
}

/* Reads the number behind the opcode, of 1, 2, 4 or 8 bytes. */
static int operand(struct machine *m, size_t bytes, uint64_t *out)
{
    const unsigned char *p = next(m, bytes);
    if (!p) {
        return m->err->code;
    }
    *out = 0;
    for (size_t i = bytes; i-- > 0;) {
        *out = *out << 8 | p[i];
    }
    return 0;
}

static size_t operand_bytes(enum opcode op)
{
    switch (op) {
    case OP_PROTO:
    case OP_BININT1:
    case OP_BINGET:
    case OP_BINPUT:
    case OP_LONG1:
    case OP_SHORT_BINUNICODE:
        return 1;
    case OP_BININT2:
        return 2;
    case OP_BININT:
    case OP_BINUNICODE:
    case OP_LONG_BINGET:
    case OP_LONG_BINPUT:
        return 4;
    case OP_FRAME:
    case OP_BINFLOAT:
        return 8;
    default:
        return 0;
    }
}

static int step(struct machine *m)
{
    const enum opcode op = (enum opcode)m->op;
    uint64_t n = 0;
    size_t from = 0;
    int rc = operand(m, operand_bytes(op), &n);
    if (rc) {
        return rc;
    }
    switch (op) {
    case OP_PROTO:
        return n >= 2 && n <= 5 ? 0 : fail(m, ERR_UNSUPPORTED, "protocol %d", (int)n);
    case OP_FRAME:
        return n <= m->len - m->at ? 0 : fail(m, ERR_TRUNCATED, "the frame reaches outside");
    case OP_STOP:
        return stop(m);
    case OP_MARK:
        return mark(m);
    case OP_NONE:
        return push_kind(m, PICKLE_NONE);
    case OP_NEWTRUE:
        return push_integer(m, PICKLE_BOOL, 1);
    case OP_NEWFALSE:
        return push_integer(m, PICKLE_BOOL, 0);
    case OP_BININT1:
    case OP_BININT2:
        return push_integer(m, PICKLE_INT, (int64_t)n);
    case OP_BININT:
        return push_integer(m, PICKLE_INT, (int32_t)(uint32_t)n);
    case OP_LONG1:
        return push_long(m, n);
    case OP_BINFLOAT: // tensors do not depend on its value
        return push_kind(m, PICKLE_FLOAT);
    case OP_BINUNICODE:
    case OP_SHORT_BINUNICODE:
        return push_text(m, n);
    case OP_EMPTY_LIST:
        return push_kind(m, PICKLE_LIST);
    case OP_EMPTY_DICT:
        return push_kind(m, PICKLE_DICT);
    case OP_EMPTY_TUPLE:
        return make_tuple_of(m, 0);
    case OP_TUPLE1:
        return make_tuple_of(m, 1);
    case OP_TUPLE2:
        return make_tuple_of(m, 2);
    case OP_TUPLE3:
        return make_tuple_of(m, 3);
    case OP_TUPLE:
        rc = pop_mark(m, &from);
        return rc ? rc : make_tuple(m, from);
    case OP_BINPUT:
    case OP_LONG_BINPUT:
        return put(m, n);
    case OP_MEMOIZE:
        return put(m, m->memo_used);
    case OP_BINGET:
    case OP_LONG_BINGET:
        return get(m, n);
    case OP_GLOBAL:
        return global(m);
    case OP_STACK_GLOBAL:
        return stack_global(m);
    case OP_REDUCE:
        return reduce(m);
    case OP_BUILD:
        return build(m);
    case OP_BINPERSID:
        return persistent(m);
    case OP_APPEND:
        return add_topmost(m, 1, append);
    case OP_APPENDS:
        return add_marked(m, append);
    case OP_SETITEM:
        return add_topmost(m, 2, set_items);
    case OP_SETITEMS:
        return add_marked(m, set_items);
    }
    if (!opcode_names[m->op]) {
        return err_set(m->err, ERR_FORMAT, "byte %zu: 0x%02x is not an opcode of a pickle",
                       m->op_at, m->op);
    }
    return fail(m, ERR_UNSUPPORTED,
                "torch.save writes no such opcode for a dict of tensors: refused");
}

int pickle_read(struct pickle *out, const unsigned char *bytes, size_t len, struct err *err)
{
    struct err unused;
    struct pickle p = {0};
    struct machine m = {.bytes = bytes, .len = len, .p = &p, .err = err ? err : &unused};
    *out = p;
    int rc = 0;
    p.persistents = new_value(&m, PICKLE_LIST);
    if (!p.persistents) {
        rc = m.err->code;
        goto out;
    }
    while (!m.stopped) {
        if (m.at == len) {
            rc = err_set(m.err, ERR_TRUNCATED, "the pickle ends after %zu bytes without STOP", len);
            goto out;
        }
        m.op_at = m.at;
        m.op = bytes[m.at++];
        rc = step(&m);
        if (rc) {
            goto out;
        }
    }
    p.used = m.at;
    *out = p;
    p = (struct pickle){0};
out:
    free(m.stack);
    free(m.marks);
    free(m.memo);
    pickle_free(&p);
    return rc;
}

void pickle_free(struct pickle *p)
{
    for (struct pickle_block *block = p->blocks, *following; block; block = following) {
        following = block->next;
        free(block);
    }
    *p = (struct pickle){0};
}

const char *pickle_kind_name(enum pickle_kind kind)
{
    static const char *const names[] = {
#define X(name, text) [name] = text,
        PICKLE_KINDS(X)
#undef X
    };
    return names[kind];
}
