#include "scan/cmd/commands.h"

#include "corpora/base/file.h"
#include "corpora/base/jsonout.h"
#include "corpora/source.h"
#include "model/tokenizer/tokenizer.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"
#include "scan/load/windows.h"

struct options {
    struct input_options input;
    const char *model, *tokenizer, *output;
    bool plain_special;
};

static void write_doc(FILE *to, const struct doc *doc, const struct tokens *tokens)
{
    struct jsonout j = {.to = to};
    jsonout_begin(&j, '{');
    jsonout_key(&j, "doc");
    jsonout_u64(&j, doc->number);
    jsonout_key(&j, "ids");
    jsonout_u32s(&j, tokens->ids, tokens->n);
    jsonout_key(&j, "ends");
    jsonout_u32s(&j, tokens->ends, tokens->n);
    jsonout_end(&j, '}');
}

static int tokenize(const struct options *o, struct source *source, struct encoder *encoder,
                    FILE *to, struct err *err)
{
    const enum special_tokens special = o->plain_special ? SPECIAL_PLAIN : SPECIAL_SPLIT;
    struct tokens tokens = {0};
    struct doc doc;
    enum source_status next;
    int rc = 0;
    while (!rc && !ferror(to) && (next = source_next(source, &doc, err)) != SOURCE_END) {
        rc = next == SOURCE_ERROR ? (int)err->code
                                  : encode(encoder, doc.text, doc.len, special, &tokens, err);
        if (!rc) {
            write_doc(to, &doc, &tokens);
        }
    }
    tokens_free(&tokens);
    return rc;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct options *o = options;
    const char *path = operands->items[0];
    struct tokenizer *tokenizer = NULL;
    struct encoder *encoder = NULL;
    struct source *source = NULL;
    struct outfile out = {0};

    int rc = lineup_tokenizer(&tokenizer, o->model, o->tokenizer, err);
    if (rc) {
        goto out;
    }
    encoder = encoder_new(tokenizer);
    if (!encoder) {
        rc = err_nomem(err, "an encoder");
        goto out;
    }
    rc = outfile_open(&out, o->output, err);
    if (rc || (rc = input_open(&source, path, &o->input, err)) != 0 ||
        (rc = tokenize(o, source, encoder, out.stream, err)) != 0) {
        goto out;
    }
    rc = outfile_commit(&out, err);
    *status = input_finish(source, path, &o->input);
out:
    outfile_discard(&out);
    source_close(source);
    encoder_free(encoder);
    tokenizer_free(tokenizer);
    return rc;
}

int cmd_tokenize(int argc, char **argv)
{
    struct options o = {0};
    const struct arg args[] = {TOKENIZER_ARGS(&o.tokenizer, &o.model),
                               {"plain-special", 0, ARG_FLAG, &o.plain_special, NULL,
                                "special tokens written in the text are text"},
                               INPUT_ARGS(&o.input),
                               OUTPUT_ARG(&o.output),
                               {0}};
    const struct command command = {
        .name = "tokenize",
        .usage = "--tokenizer FILE|--model M [options] INPUT",
        .summary =
            "The token ids of every doc of INPUT (a file, also .zst or .gz, or -), as JSONL,\n"
            "one line per doc, no BOS:\n"
            "  {\"doc\",\"ids\":[n],\"ends\":[n]}\n"
            "ends[i] is the byte of the normalised text where token i ends.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "INPUT",
        .examples = "gapscope tokenize --model gelu-1l corpus.txt",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
