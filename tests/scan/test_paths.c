/*
 * Paths as people give them: what is no file, folders that are missing or closed, and names with
 * spaces and quotes in commands that messages suggest
 */
#include "tests/kit/shell.h"

#define MODEL "model/demo/gelu-1l"
#define ANEW "rm -rf $T/m && cp -r " MODEL " $T/m && rm -f $T/m/"
#define SCORE " && echo a | gapscope score --model $T/m -"

/* Every file that a model's folder may have; a pipe would be waited for. */
static void what_is_no_file_is_no_file_of_a_model(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "tokenizer.json", "tokenizer_config.json",
                                        "special_tokens_map.json", "model_final.pth"};
    static const struct {
        const char *make, *says;
    } kinds[] = {
        {"mkfifo $T/m/%s", "%s: is not a regular file"},
        {"ln -s /dev/zero $T/m/%s", "%s: is not a regular file"},
        {"mkdir $T/m/%s", "%s: is a folder"},
        {"ln -s ../../blobs/0e5 $T/m/%s", "%s: is a link to ../../blobs/0e5, which is not there"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            char command[400], make[80], says[100];
            snprintf(make, sizeof make, kinds[k].make, names[i]);
            snprintf(says, sizeof says, kinds[k].says, names[i]);
            snprintf(command, sizeof command, ANEW "%s && %s" SCORE, names[i], make);
            const struct shell_case one[] = {{command, 1, says, ""}};
            CHECK_CASES(one);
        }
    }
    static const struct shell_case links[] = {
        {ANEW "config.json && ln -s $PWD/" MODEL "/config.json $T/m/" SCORE, 0, "loss", NULL},
        {"ln -s m $T/link && echo a | gapscope score --model $T/link -", 0, "loss", NULL},
    };
    CHECK_CASES(links);
}

/* As <(...) of a shell gives them. */
static void pipes_are_read_where_they_may_be_meant(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"mkfifo $T/pipe; printf 'hypotheses:\\n- {name: one, regex: the}\\n' >$T/pipe & "
         "gapscope label --model " MODEL " --hypotheses $T/pipe LICENSE | grep -c one",
         0, NULL, "1\n"},
        {"cat " MODEL "/tokenizer.json >$T/pipe & "
         "gapscope tokenize --tokenizer $T/pipe LICENSE | wc -l",
         0, NULL, "1\n"},
        {"cat LICENSE >$T/pipe & gapscope tokenize --model " MODEL " $T/pipe | wc -l", 0, NULL,
         "1\n"},
        {"gapscope top $T/pipe", 1, "/pipe: is not a regular file\n", ""},
        {"gapscope scan --no-neurons --model " MODEL " -o $T/pipe LICENSE", 1,
         "/pipe: is not a regular file\n", ""},
    };
    CHECK_CASES(cases);
}

static void a_suggested_command_can_be_pasted(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"mkdir \"$T/it's a folder\"; cd \"$T/it's a folder\"; cp -r $OLDPWD/" MODEL
         " 'the model'; "
         "gapscope scan --model 'the model' --model attn=$OLDPWD/model/demo/attn-only-1l "
         "--regex a=b -o 'r u n.db' $OLDPWD/LICENSE",
         0, "look: gapscope top 'r u n.db'\n", NULL},
        {"cd \"$T/it's a folder\"; gapscope scan --model 'the model' --model "
         "attn=$OLDPWD/model/demo/attn-only-1l --regex a=b --force -o 'r u n.db' $OLDPWD/LICENSE "
         "2>&1 | grep -c '^look: ' && gapscope scan --model 'the model' --model "
         "attn=$OLDPWD/model/demo/attn-only-1l --regex a=b --force -o 'r u n.db' $OLDPWD/LICENSE "
         "2>&1 | sed -n 's/^look: gapscope /gapscope /p' >look; set -e; . ./look >out; "
         "grep -c -i html report.html >out",
         0, "", "4\n"},
        {"cd \"$T/it's a folder\"; gapscope score --model 'the model' ../*folder", 1,
         "`gapscope pack '../it'\\''s a folder' -o corpus.jsonl.zst` makes a corpus", ""},
        {"cd \"$T/it's a folder\"; gapscope scan --model 'the model' -o x.db ../*folder", 1,
         "`gapscope pack '../it'\\''s a folder' -o corpus.jsonl.zst` makes a corpus", NULL},
        {"cd \"$T/it's a folder\"; gapscope score --model 'the model' --model './the model' x", 2,
         "two models are called the model; give one another name: --model NAME='./the model'\n",
         ""},
        {"mkdir $T/$(printf 'a\\033b'); cd $T; gapscope score --model $OLDPWD/" MODEL " a?b", 1,
         "`gapscope pack $'a\\x1Bb' -o corpus", ""},
    };
    CHECK_CASES(cases);
}

#define EACH_OUTPUT(folder)                                                                        \
    "for to in 'scan --no-neurons --model " MODEL " LICENSE -o X/run.db' "                         \
    "'scan --no-neurons --model " MODEL " LICENSE -o $T/r2.db --record X/record' "                 \
    "'count --model " MODEL " LICENSE -o X/c.ngrams' 'pack LICENSE -o X/c.zst' "                   \
    "'score --model " MODEL " LICENSE -o X/s' 'merge $T/r.db -o X/m.db' "                          \
    "'report $T/r.db -o X/r.html' 'tokenize --model " MODEL " LICENSE -o X/t'; do "                \
    "gapscope $(eval echo $to | sed 's|X/|" folder "/|') 2>&1 | tail -n 1; done | "

static void the_folder_of_an_output_is_named(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"gapscope scan --no-neurons --model " MODEL
         " -o $T/r.db LICENSE; cd $T; touch file; ln -s "
         "$OLDPWD/model $OLDPWD/LICENSE .",
         0, "look", NULL},
        {"cd $T; " EACH_OUTPUT("none") "grep -c ': none/[^ ]*: there is no folder none$'", 0, NULL,
         "8\n"},
        {"cd $T; " EACH_OUTPUT("file") "grep -c ': file/[^ ]*: file is not a folder$'", 0, NULL,
         "8\n"},
        {"cd $T; gapscope pack LICENSE -o ./model/../none/deep/x", 1,
         "x: there is no folder ./model/../none\n", ""},
        {"cd $T; gapscope export --format csv r.db -o file", 1, "file: is there and is no folder\n",
         ""},
    };
    CHECK_CASES(cases);
}

/* Root may write everywhere, so that somebody else has to try. */
static void a_folder_that_takes_no_file_is_named(void **state)
{
    (void)state;
    if (system("command -v setpriv >/dev/null || test $(id -u) != 0") != 0) {
        skip();
    }
#define AS_NOBODY                                                                                  \
    "n() { if [ $(id -u) = 0 ]; then setpriv --reuid 65534 --regid 65534 --clear-groups ./g "      \
    "\"$@\"; "                                                                                     \
    "else ./g \"$@\"; fi; }; cd $T; "
    static const struct shell_case cases[] = {
        {"chmod 755 $T; mkdir $T/ro; cp '" GAPSCOPE_PROGRAM "' $T/g; rm -f $T/model $T/LICENSE; "
         "cp -r " MODEL " $T/model; cp LICENSE $T; cp $T/r.db $T/ro/w.db; chmod 666 $T/ro/w.db; "
         "chmod 555 $T/ro",
         0, NULL, ""},
        {AS_NOBODY "n scan --no-neurons --model model -o ro/x.db LICENSE", 1,
         "ro/x.db: the folder ro takes no new file: Permission denied\n", ""},
        {AS_NOBODY "n pack LICENSE -o ro/x", 1,
         "ro/x: the folder ro takes no new file: Permission denied\n", ""},
        {AS_NOBODY "n export --format csv r.db -o ro/x/y", 1,
         "ro/x: the folder ro takes no new file: Permission denied\n", ""},
        {AS_NOBODY "n count --model model -o ro/x LICENSE", 1,
         "ro/x.work: the folder ro takes no new file: Permission denied\n", ""},
        {AS_NOBODY "n merge --force -o ro/w.db r.db", 1,
         "ro/w.db: the folder ro takes no new file: Permission denied\n", ""},
        {AS_NOBODY "n scan --force --no-neurons --model model -o ro/w.db LICENSE", 1,
         "ro/w.db: its folder takes no new file, as the journal of SQLite", ""},
        {"chmod 755 $T/ro", 0, NULL, ""},
    };
    CHECK_CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_file_is_no_file_of_a_model),
        cmocka_unit_test(pipes_are_read_where_they_may_be_meant),
        cmocka_unit_test(a_suggested_command_can_be_pasted),
        cmocka_unit_test(the_folder_of_an_output_is_named),
        cmocka_unit_test(a_folder_that_takes_no_file_is_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
