/*
 * trigrams.h - what `gapscope trigrams` shows: the trigrams of a run that counting alone does not
 * explain, or one of them
 */
#ifndef GAPSCOPE_OUT_TEXT_TRIGRAMS_H
#define GAPSCOPE_OUT_TEXT_TRIGRAMS_H

#include <stdbool.h>

#include "corpora/base/err.h"
#include "out/read/trigram_facts.h"
#include "out/read/trigram_list.h"
#include "out/read/trigram_page.h"
#include "out/text/screen.h"

/* pages[n]: the first n of the list.  Errors: ERR_NOMEM. */
int put_trigrams(const struct screen *s, const struct trigram_list *l,
                 const struct trigram_page *pages, size_t n, struct err *err);

/* One object with the list: begin, the pages one by one, end. */
int json_trigrams_begin(struct jsonout *j, const struct trigram_list *l, struct err *err);
void json_trigrams_end(struct jsonout *j);

/* path: of the run.db, for the commands named at the end.  Errors: ERR_NOMEM. */
int put_trigram_page(const struct screen *s, const struct trigram_page *p,
                     const struct trigram_run *run, const struct run_state *state, const char *path,
                     struct err *err);

/* All there is of a trigram as one object. */
void json_trigram_page(struct jsonout *j, const struct trigram_page *p);

// --- shared by these

/* `#17  " ice" " cream" -> " sundae"` */
void put_trigram_title(const struct screen *s, const struct trigram_row *t);

/* A line for each model that was tested: its name and verdict; model: this one alone, -1: all. */
void put_verdicts(const struct screen *s, size_t indent, const struct trigram_page *p,
                  int64_t model);

#endif
