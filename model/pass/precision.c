#include "model/pass/precision.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    struct precision_promise promise;
} precisions[] = {
    [PRECISION_EXACT] = {"exact", {0, 0, 0}},
    [PRECISION_DEFAULT] = {"default", {1e-3, 1e-3, 1e-3}},
    [PRECISION_FAST] = {"fast", {2e-3, 1e-2, 5e-2}},
};

const char *precision_name(enum precision p)
{
    return precisions[p].name;
}

struct precision_promise precision_promise(enum precision p)
{
    return precisions[p].promise;
}

double precision_epsilon(enum precision p)
{
    return precisions[p].promise.most;
}

int precision_parse(enum precision *out, const char *text, enum precision none, struct err *err)
{
    if (!text) {
        *out = none;
        return 0;
    }
    for (int p = 0; p < 3; p++) {
        if (strcmp(text, precisions[p].name) == 0) {
            *out = (enum precision)p;
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, "--precision %s: expected exact, default or fast", text);
}

int precision_kernels(const struct kern **out, const char *name, struct err *err)
{
    *out = name ? kern_named(name) : kern_best();
    if (*out && kern_runs(*out)) {
        return 0;
    }
    char names[256] = "";
    for (size_t t = 0, at = 0; kern_at(t); t++) {
        if (kern_runs(kern_at(t))) {
            at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", at ? ", " : "",
                                   kern_at(t)->name);
        }
    }
    return err_set(err, ERR_USAGE, "--kernels %s: %s; this machine has %s", name,
                   *out ? "this machine cannot run them" : "there are none of that name", names);
}
