#include "model/weights/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "model/weights/pickle_machine.h"

static const struct {
    const char *module, *name;
} globals[] = {
#define X(id, module, name) [id] = {module, name},
    PICKLE_GLOBALS(X)
#undef X
};

/* --- opcodes --------------------------------------------------------------------------------- */

static int put(struct machine *m, size_t index)
{
    int rc = machine_need(m, 1);
    if (rc) {
        return rc;
    }
    // Each entry is put by an opcode of its own, so an index need not be larger than the offset.
    if (index > m->op_at) {
        return machine_fail(m, ERR_FORMAT, "memo entry %zu at byte %zu", index, m->op_at);
    }
    if (index >= m->memo_len) {
        rc = machine_reserve(m, &m->memo, &m->memo_cap, index + 1);
        if (rc) {
            return rc;
        }
        memset(m->memo + m->memo_len, 0, (index + 1 - m->memo_len) * sizeof *m->memo);
        m->memo_len = index + 1;
    }
    m->memo_used += m->memo[index] == NULL;
    m->memo[index] = machine_top(m);
    return 0;
}

static int get(struct machine *m, size_t index)
{
    if (index >= m->memo_len || !m->memo[index]) {
        return machine_fail(m, ERR_FORMAT, "memo entry %zu was never put", index);
    }
    return machine_push(m, m->memo[index]);
}

/* Makes a tuple of the values from height 'from' on. */
static int make_tuple(struct machine *m, size_t from)
{
    const size_t n = m->n_stack - from;
    struct pickle_value *v = machine_new(m, PICKLE_TUPLE);
    struct pickle_value **items = v ? machine_take(m, n * sizeof *items) : NULL;
    if (!items) {
        return m->err->code;
    }
    if (n) {
        memcpy(items, m->stack + from, n * sizeof *items);
    }
    v->items = items;
    v->n_items = n;
    m->n_stack = from;
    return machine_push(m, v);
}

static int make_tuple_of(struct machine *m, size_t n)
{
    const int rc = machine_need(m, n);
    return rc ? rc : make_tuple(m, m->n_stack - n);
}

static int push_global(struct machine *m, const char *module, size_t module_len, const char *name,
                       size_t name_len)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (strlen(globals[i].module) == module_len && strlen(globals[i].name) == name_len &&
            memcmp(globals[i].module, module, module_len) == 0 &&
            memcmp(globals[i].name, name, name_len) == 0) {
            struct pickle_value *v = machine_new(m, PICKLE_GLOBAL);
            if (v) {
                v->global = (enum pickle_global)i;
            }
            return machine_push(m, v);
        }
    }
    const int cut = 100;
    return machine_fail(
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
            return machine_fail(m, ERR_TRUNCATED, "a name without an end");
        }
        len[i] = (size_t)(end - line[i]);
        m->at += len[i] + 1;
    }
    return push_global(m, line[0], len[0], line[1], len[1]);
}

static int stack_global(struct machine *m)
{
    const int rc = machine_need(m, 2);
    if (rc) {
        return rc;
    }
    const struct pickle_value *name = m->stack[--m->n_stack], *module = m->stack[--m->n_stack];
    if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT) {
        return machine_fail(m, ERR_FORMAT, "its names are %s and %s",
                            pickle_kind_name(module->kind), pickle_kind_name(name->kind));
    }
    return push_global(m, module->text, module->text_len, name->text, name->text_len);
}

static int reduce(struct machine *m)
{
    const int rc = machine_need(m, 2);
    if (rc) {
        return rc;
    }
    const struct pickle_value *args = m->stack[--m->n_stack], *callee = m->stack[--m->n_stack];
    if (callee->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE) {
        return machine_fail(m, ERR_FORMAT, "calls %s with %s", pickle_kind_name(callee->kind),
                            pickle_kind_name(args->kind));
    }
    switch (callee->global) {
    case PICKLE_ORDERED_DICT:
        if (args->n_items > 0) {
            return machine_fail(m, ERR_UNSUPPORTED, "an OrderedDict that is made with arguments");
        }
        return machine_push_kind(m, PICKLE_DICT);
    case PICKLE_REBUILD_TENSOR:
    case PICKLE_REBUILD_TENSOR_V3:
    case PICKLE_REBUILD_PARAMETER: {
        struct pickle_value *v = machine_new(m, PICKLE_CALL);
        if (v) {
            v->global = callee->global;
            v->args = args;
        }
        return machine_push(m, v);
    }
    default:
        return machine_fail(m, ERR_UNSUPPORTED, "calls %s.%s", globals[callee->global].module,
                            globals[callee->global].name);
    }
}

/* Drops the attributes of a dict: a state dict's "_metadata" says nothing about its tensors. */
static int build(struct machine *m)
{
    const int rc = machine_need(m, 2);
    if (rc) {
        return rc;
    }
    const struct pickle_value *state = m->stack[--m->n_stack];
    if (machine_top(m)->kind != PICKLE_DICT || state->kind != PICKLE_DICT) {
        return machine_fail(m, ERR_UNSUPPORTED, "gives %s to %s", pickle_kind_name(state->kind),
                            pickle_kind_name(machine_top(m)->kind));
    }
    return 0;
}

static int persistent(struct machine *m)
{
    const int rc = machine_need(m, 1);
    if (rc) {
        return rc;
    }
    const struct pickle_value *id = m->stack[--m->n_stack];
    if (id->kind != PICKLE_TUPLE) {
        return machine_fail(m, ERR_FORMAT, "the id is %s", pickle_kind_name(id->kind));
    }
    struct pickle_value *v = machine_new(m, PICKLE_PERSISTENT);
    if (!v) {
        return m->err->code;
    }
    v->args = id;
    v->number = m->p->n_persistents++;
    const int failed = machine_add_item(m, m->p->persistents, NULL, v);
    return failed ? failed : machine_push(m, v);
}

/* Moves the values from height 'from' on into the list below them. */
static int append(struct machine *m, size_t from)
{
    struct pickle_value *list = m->stack[from - 1];
    if (list->kind != PICKLE_LIST) {
        return machine_fail(m, ERR_FORMAT, "appends to %s", pickle_kind_name(list->kind));
    }
    for (size_t i = from; i < m->n_stack; i++) {
        const int rc = machine_add_item(m, list, NULL, m->stack[i]);
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
        return machine_fail(m, ERR_FORMAT, "sets items of %s", pickle_kind_name(dict->kind));
    }
    if ((m->n_stack - from) % 2) {
        return machine_fail(m, ERR_FORMAT, "a key without a value");
    }
    for (size_t i = from; i < m->n_stack; i += 2) {
        const int rc = machine_add_item(m, dict, m->stack[i], m->stack[i + 1]);
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
    int rc = machine_pop_mark(m, &from);
    if (rc) {
        return rc;
    }
    const size_t fence = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    if (from == fence) {
        return machine_fail(m, ERR_FORMAT, "nothing to add to");
    }
    return add(m, from);
}

/* Calls 'add' with the n topmost values. */
static int add_topmost(struct machine *m, size_t n, int (*add)(struct machine *m, size_t from))
{
    const int rc = machine_need(m, n + 1);
    return rc ? rc : add(m, m->n_stack - n);
}

static int mark(struct machine *m)
{
    const int rc = machine_reserve(m, &m->marks, &m->marks_cap, m->n_marks + 1);
    if (!rc) {
        m->marks[m->n_marks++] = m->n_stack;
    }
    return rc;
}

static int stop(struct machine *m)
{
    if (m->n_stack != 1 || m->n_marks != 0) {
        return machine_fail(m, ERR_FORMAT, "%zu values and %zu marks are left; expected 1 and 0",
                            m->n_stack, m->n_marks);
    }
    m->p->root = machine_top(m);
    m->stopped = true;
    return 0;
}

/* Reads the number behind the opcode, of 1, 2, 4 or 8 bytes. */
static int operand(struct machine *m, size_t bytes, uint64_t *out)
{
    const unsigned char *p = machine_next(m, bytes);
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

static int refuse(struct machine *m)
{
    if (!pickle_opcode_names[m->op]) {
        return err_set(m->err, ERR_FORMAT, "byte %zu: 0x%02x is not an opcode of a pickle",
                       m->op_at, m->op);
    }
    return machine_fail(m, ERR_UNSUPPORTED,
                        "torch.save writes no such opcode for a dict of tensors: refused");
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
        return n >= 2 && n <= 5 ? 0 : machine_fail(m, ERR_UNSUPPORTED, "protocol %d", (int)n);
    case OP_FRAME:
        return n <= m->len - m->at ? 0
                                   : machine_fail(m, ERR_TRUNCATED, "the frame reaches outside");
    case OP_STOP:
        return stop(m);
    case OP_MARK:
        return mark(m);
    case OP_NONE:
        return machine_push_kind(m, PICKLE_NONE);
    case OP_NEWTRUE:
        return machine_push_integer(m, PICKLE_BOOL, 1);
    case OP_NEWFALSE:
        return machine_push_integer(m, PICKLE_BOOL, 0);
    case OP_BININT1:
    case OP_BININT2:
        return machine_push_integer(m, PICKLE_INT, (int64_t)n);
    case OP_BININT:
        return machine_push_integer(m, PICKLE_INT, (int32_t)(uint32_t)n);
    case OP_LONG1:
        return machine_push_long(m, n);
    case OP_BINFLOAT: // tensors do not depend on its value
        return machine_push_kind(m, PICKLE_FLOAT);
    case OP_BINUNICODE:
    case OP_SHORT_BINUNICODE:
        return machine_push_text(m, n);
    case OP_EMPTY_LIST:
        return machine_push_kind(m, PICKLE_LIST);
    case OP_EMPTY_DICT:
        return machine_push_kind(m, PICKLE_DICT);
    case OP_EMPTY_TUPLE:
        return make_tuple_of(m, 0);
    case OP_TUPLE1:
        return make_tuple_of(m, 1);
    case OP_TUPLE2:
        return make_tuple_of(m, 2);
    case OP_TUPLE3:
        return make_tuple_of(m, 3);
    case OP_TUPLE:
        rc = machine_pop_mark(m, &from);
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
    return refuse(m);
}

int pickle_read(struct pickle *out, const unsigned char *bytes, size_t len, struct err *err)
{
    struct err unused;
    struct pickle p = {0};
    struct machine m = {.bytes = bytes, .len = len, .p = &p, .err = err ? err : &unused};
    *out = p;
    int rc = 0;
    p.persistents = machine_new(&m, PICKLE_LIST);
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
