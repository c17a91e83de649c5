#include "miners/code/code.h"

#include <string.h>

#include "miners/code/code_list.h"

static const struct code_miner miners[] = {
#define X(name, help) {#name, help, code_label_##name, NULL, false},
#define W(name, answers, help)                                                                     \
    {#name, help, code_label_##name, (answers) ? code_answer_##name : NULL, true},
    CODE_MINERS(X, W)
#undef X
#undef W
};

#define N_MINERS (sizeof miners / sizeof *miners)

const struct code_miner *code_at(size_t i)
{
    return i < N_MINERS ? &miners[i] : NULL;
}

const struct code_miner *code_named(const char *name)
{
    for (size_t i = 0; i < N_MINERS; i++) {
        if (strcmp(miners[i].name, name) == 0) {
            return &miners[i];
        }
    }
    return NULL;
}

void code_scratch_free(struct code_scratch *s)
{
    buf_free(&s->a);
    buf_free(&s->b);
    buf_free(&s->c);
}
