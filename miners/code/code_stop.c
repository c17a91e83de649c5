/*
 * code_stop.c - where a repeat of four tokens goes on, and where it stops
 *
 * The four tokens up to x stood earlier in x's window; the token behind their latest earlier place
 * is the answer.
 *
 * go            the answer follows now: the repeat goes on
 * stop          another token follows: it stops
 * go_at_end     go where x ends a sentence or a string: its last byte is one of . ! ? ; " ' ) ] or
 *               a line's end
 * stop_at_end   stop there
 *
 * The earlier place may overlap the later one: in A A A A A the fifth A is one.  They depend on one
 * later token.
 */
#include "miners/code/code_list.h"

#include <string.h>

#include "miners/code/code_earlier.h"

enum { LENGTH = 4 };

static bool ends_text(const struct tokens *doc, size_t i)
{
    return doc->ends[i] > token_begin(doc, i) && doc->text[doc->ends[i] - 1] != '\0' &&
           strchr(".!?;\"')]\n", doc->text[doc->ends[i] - 1]);
}

static int mark(const struct tokens *doc, uint8_t *label, uint32_t *answer, struct code_scratch *s,
                struct err *err, bool goes_on, bool at_end)
{
    s->b.len = 0;
    int rc = buf_reserve(&s->b, doc->n * sizeof(uint32_t), err);
    uint32_t *earlier = (void *)s->b.data;
    rc = rc ? rc : earlier_places(earlier, doc, LENGTH, &s->a, err);
    for (size_t i = 0; i < doc->n && !rc; i++) {
        const uint32_t at = earlier_in_window(earlier, doc, i, LENGTH);
        if (at == EARLIER_NONE || !tokens_has_next(doc, i) ||
            (doc->ids[i + 1] == doc->ids[at + 1]) != goes_on || (at_end && !ends_text(doc, i))) {
            continue;
        }
        label[i] = 1;
        if (answer) {
            answer[i] = doc->ids[at + 1];
        }
    }
    return rc;
}

CODE_ANSWER(go, mark(doc, label, answer, s, err, true, false))
CODE_ANSWER(go_at_end, mark(doc, label, answer, s, err, true, true))
CODE_ANSWER(stop, mark(doc, label, answer, s, err, false, false))
CODE_ANSWER(stop_at_end, mark(doc, label, answer, s, err, false, true))
