/*
 * pickle_machine.h - the stack machine that runs a pickle; for pickle.c, which has its opcodes
 *
 * Everything that fails sets m->err, with the byte and the name of the opcode in front.
 */
#ifndef GAPSCOPE_MODEL_WEIGHTS_PICKLE_MACHINE_H
#define GAPSCOPE_MODEL_WEIGHTS_PICKLE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/weights/pickle.h"

/* The opcodes of protocols 0 to 5.  Those of the first list are known to the machine. */
#define PICKLE_OPCODES(X)                                                                          \
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

#define PICKLE_OPCODES_REFUSED(X)                                                                  \
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
    PICKLE_OPCODES(X)
#undef X
};

extern const char *const pickle_opcode_names[256]; // NULL: no such opcode

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

int machine_fail(struct machine *m, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Zeroed memory that lives as long as the pickle; NULL with m->err set if there is no memory.
 * 'bytes' is bounded by the pickle's length, so the sums here do not overflow. */
void *machine_take(struct machine *m, size_t bytes);

/* Like mem_reserve(), for pointers or heights, but within the memory limit. */
int machine_reserve(struct machine *m, void *items, size_t *cap, size_t want);

/* A new value, or NULL with m->err set. */
struct pickle_value *machine_new(struct machine *m, enum pickle_kind kind);

/* Appends a member to a list (key: NULL) or a dict. */
int machine_add_item(struct machine *m, struct pickle_value *to, const struct pickle_value *key,
                     const struct pickle_value *value);

/* Pushes v; v == NULL is a value that could not be made, and its error is already set. */
int machine_push(struct machine *m, struct pickle_value *v);
int machine_push_kind(struct machine *m, enum pickle_kind kind);
int machine_push_integer(struct machine *m, enum pickle_kind kind, int64_t integer);

/* Checks that there are n values on the stack above the last mark. */
int machine_need(struct machine *m, size_t n);
struct pickle_value *machine_top(const struct machine *m); // the stack is not empty

/* Removes the last mark; *from is its height. */
int machine_pop_mark(struct machine *m, size_t *from);

/* The next n bytes of the pickle, or NULL with m->err set. */
const unsigned char *machine_next(struct machine *m, uint64_t n);

/* Push the text, or the little-endian two's complement number, of the next bytes. */
int machine_push_text(struct machine *m, uint64_t len);
int machine_push_long(struct machine *m, size_t n);

#endif
