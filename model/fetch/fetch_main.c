/*
 * fetch_main.c - gapscope-fetch, which `gapscope fetch` runs: all of gapscope that uses a network
 *
 * It is a program of its own, so that what reads models and corpora has no network code.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/fetch/fetch.h"

static const char help[] =
    "Usage: gapscope fetch [OPTION]... NAME...\n\n"
    "`gapscope fetch --help` says what it does.\n\n"
    "  -n, --dry-run        say what would be fetched\n"
    "      --no-tokenizer   without the repository of a model's tokenizer\n"
    "      --revision REV   a branch, tag or commit; main if not given\n"
    "      --ask            ask on the terminal first; status 3 if the answer is no\n"
    "  -q, --quiet          say nothing but errors\n";

/* Says on standard error what went wrong; returns the exit status. */
static int fail(int rc, const struct err *err)
{
    fprintf(stderr, "gapscope fetch: %s\n", err->msg);
    return rc == ERR_USAGE ? 2 : 1;
}

static int fetch_all(char **names, int n, const char *revision, const struct fetch_options *options)
{
    for (int i = 0; i < n; i++) {
        struct fetch_name name;
        struct err err = {0};
        bool declined = false;
        int rc = fetch_name_read(&name, names[i], &err);
        if (!rc && revision) {
            snprintf(name.revision, sizeof name.revision, "%s", revision);
            name.has_revision = true;
        }
        rc = rc ? rc : fetch_name_check_path(name.revision, &err);
        if (rc) {
            return fail(ERR_USAGE, &err);
        }
        rc = fetch(&name, options, stdout, &declined, &err);
        if (rc) {
            return fail(1, &err);
        }
        if (declined) {
            return 3;
        }
    }
    if (fflush(stdout) != 0) {
        fprintf(stderr, "gapscope fetch: standard output: writing failed\n");
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {{"dry-run", no_argument, NULL, 'n'},
                                                 {"no-tokenizer", no_argument, NULL, 't'},
                                                 {"revision", required_argument, NULL, 'r'},
                                                 {"ask", no_argument, NULL, 'a'},
                                                 {"quiet", no_argument, NULL, 'q'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    struct fetch_options options = {0};
    const char *revision = NULL;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // writing then says so
    for (int c; (c = getopt_long(argc, argv, "nqh", long_options, NULL)) != -1;) {
        switch (c) {
        case 'n':
            options.dry_run = true;
            break;
        case 't':
            options.no_tokenizer = true;
            break;
        case 'r':
            revision = optarg;
            break;
        case 'a':
            options.ask = true;
            break;
        case 'q':
            options.quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return 2;
        }
    }
    if (optind == argc) {
        fputs(help, stderr);
        return 2;
    }
    return fetch_all(argv + optind, argc - optind, revision, &options);
}
