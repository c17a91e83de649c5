#include "scan/cmd/commands.h"

#include "corpora/base/file.h"
#include "corpora/base/jsonout.h"
#include "model/weights/tensorfile.h"
#include "scan/cli/args.h"

struct options {
    const char *values, *output;
};

static void write_tensor(struct jsonout *j, const struct tensor *t)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "name");
    jsonout_string(j, t->name);
    jsonout_key(j, "dtype");
    jsonout_string(j, tensor_dtype_name(t));
    jsonout_key(j, "shape");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < t->n_dims; i++) {
        jsonout_u64(j, t->shape[i]);
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

static void write_values(struct jsonout *j, const struct tensor *t)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "values");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < t->n; i++) {
        switch (t->dtype) {
        case DTYPE_F32:
        case DTYPE_F16:
        case DTYPE_BF16:
            jsonout_float(j, (float)tensor_value(t, i));
            break;
        case DTYPE_F64:
            jsonout_double(j, tensor_value(t, i));
            break;
        case DTYPE_I64:
        case DTYPE_I32:
        case DTYPE_I16:
        case DTYPE_I8:
        case DTYPE_U8:
        case DTYPE_BOOL:
            jsonout_i64(j, tensor_integer(t, i));
            break;
        case DTYPE_UNREAD:
            break; // run() has refused it
        }
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    const char *path = operands->items[0];
    struct tensorfile *f = NULL;
    struct outfile out = {0};
    const struct tensor *wanted = NULL;
    int rc = tensorfile_open(&f, path, err);
    if (!rc && o->values && !(wanted = tensorfile_find(f, o->values))) {
        rc = err_set(err, ERR_NOT_FOUND, "%s: no tensor %s; without --values all are listed", path,
                     o->values);
    }
    if (!rc && wanted) {
        rc = tensor_is_read(wanted, err);
        rc = rc ? err_prefix(err, "%s: tensor %s", path, o->values) : 0;
    }
    if (rc || (rc = outfile_open(&out, o->output, err)) != 0) {
        goto out;
    }
    struct jsonout j = {.to = out.stream};
    if (wanted) {
        write_values(&j, wanted);
    }
    for (size_t i = 0; i < tensorfile_n(f) && !wanted; i++) {
        write_tensor(&j, tensorfile_at(f, i));
    }
    rc = outfile_commit(&out, err);
out:
    outfile_discard(&out);
    tensorfile_close(f);
    return rc;
}

int cmd_tensors(int argc, char **argv)
{
    struct options o = {0};
    const struct arg args[] = {
        {"values", 0, ARG_STRING, &o.values, "NAME", "the values of this tensor, row-major"},
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "tensors",
        .usage = "FILE [--values NAME]",
        .summary =
            "What a weight file (.pth of torch, old or new, or .safetensors) holds, as JSONL:\n"
            "  {\"name\",\"dtype\",\"shape\"}, a line a tensor, in the file's order;\n"
            "  {\"values\":[...]} with --values (null: not a number, or infinite).",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "FILE",
        .examples = "gapscope tensors model.safetensors",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
