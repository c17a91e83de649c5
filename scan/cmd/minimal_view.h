/*
 * minimal_view.h - minimal pairs for people (minimal_text.c) and as JSON (minimal_json.c)
 */
#ifndef GAPSCOPE_SCAN_CMD_MINIMAL_VIEW_H
#define GAPSCOPE_SCAN_CMD_MINIMAL_VIEW_H

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "model/explain/minimal.h"
#include "out/text/screen.h"
#include "scan/load/prompts.h"

/* One model's tables; 'p' names the tokens.  Errors: ERR_NOMEM. */
int minimal_view_put(const struct minimal *m, const struct prompts *p, const struct screen *s,
                     struct err *err);

/* The heading of a table. */
void minimal_view_head(const struct screen *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One model as an object. */
void minimal_view_json(const struct minimal *m, const struct prompts *p, struct jsonout *j);

/* The prompts as members of an object. */
void minimal_view_json_prompts(const struct prompts *p, struct jsonout *j);

#endif
