/*
 * member.h - finds a member of a JSON record by a path like "a.b"
 *
 * A key that has dots in it is found first: "a.b" is the member "a.b", or else b in a; "a.b.c" is
 * "a.b.c", c in "a.b", "b.c" in a, or c in b in a.  One that is of no use, as a number is where a
 * text is looked for, is passed over.  A key may begin or end with a dot and be empty: "a." is the
 * member "a.", or else "" in a.
 */
#ifndef GAPSCOPE_CORPORA_MEMBER_H
#define GAPSCOPE_CORPORA_MEMBER_H

#include <json-c/json.h>
#include <stdbool.h>

#include "corpora/base/err.h"

/* Refuses an empty path.  what: "field", for the message.  Errors: ERR_USAGE. */
int member_check(const char *path, const char *what, struct err *err);

/*
 * The first member at 'path' that fits; NULL if there is none, or 'record' is not an object.  *other:
 * the first one that does not fit, NULL if there is none.  A member that is null is none.
 */
struct json_object *member_that(struct json_object *record, const char *path,
                                bool (*fits)(struct json_object *value),
                                struct json_object **other);

#endif
