/*
 * A program as 'exec:' asks it, for test_exec: labels each token that ends at an odd byte, and
 * misbehaves where the text of a document begins with a word that says how.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_labels(const char *line, const char *one)
{
    const char *at = strstr(line, "\"ends\":[") + strlen("\"ends\":[");
    printf("{\"labels\":[");
    for (bool more = false; *at != ']'; more = true) {
        char *end;
        const unsigned long e = strtoul(at, &end, 10);
        printf("%s%s", more ? "," : "", e % 2 ? one : one[0] == 't' ? "false" : "0");
        at = *end == ',' ? end + 1 : end;
    }
    puts("]}");
}

/* Starts a process that is hard to find: in a session of its own, and its parent has ended.  Its
 * number goes into the file "daemon". */
static void start_daemon(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            FILE *f = fopen("daemon.tmp", "w");
            if (f && fprintf(f, "%d", (int)getpid()) > 0 && fclose(f) == 0 &&
                rename("daemon.tmp", "daemon") == 0) {
                close(STDOUT_FILENO);
                pause();
            }
        }
        _exit(0);
    }
    while (access("daemon", F_OK) != 0) {
        usleep(1000);
    }
}

static bool misbehave(const char *word, unsigned n_docs)
{
    if (strncmp(word, "daemon", 6) == 0) {
        start_daemon();
        return false;
    }
    if (strncmp(word, "die", 3) == 0) {
        exit(3);
    } else if (strncmp(word, "crash", 5) == 0) {
        raise(SIGKILL);
    } else if (strncmp(word, "hang", 4) == 0) {
        for (;;) {
            pause();
        }
    } else if (strncmp(word, "rubbish", 7) == 0) {
        puts("labels: none");
    } else if (strncmp(word, "list", 4) == 0) {
        puts("[0, 1]");
    } else if (strncmp(word, "few", 3) == 0) {
        puts("{\"labels\":[1]}");
    } else if (strncmp(word, "two", 3) == 0) {
        puts("{\"labels\":[1]}\n{\"labels\":[1]}");
    } else if (strncmp(word, "close", 5) == 0) {
        close(STDOUT_FILENO);
        pause();
    } else if (strncmp(word, "skip", 4) == 0) {
        puts("{\"gave_up\":true}");
    } else if (strncmp(word, "value", 5) == 0) {
        puts("{\"labels\":[0,2]}");
    } else if (strncmp(word, "endless", 7) == 0) {
        for (;;) {
            fputs("{ ", stdout);
        }
    } else if (strncmp(word, "count", 5) == 0) {
        printf("{\"labels\":[%d,%d]}\n", n_docs == 1, n_docs == 2);
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    char *line = NULL;
    size_t cap = 0;
    unsigned n_docs = 0;
    if (strcmp(how, "stream") == 0) { // answers as it reads, more than a pipe holds
        for (int c; (c = getchar()) != '\n' && c != EOF;) {
            putchar(' ');
        }
        puts("{\"gave_up\":true}");
        return 0;
    }
    if (strcmp(how, "deaf") == 0) {
        pause();
    }
    while (strcmp(how, "ends") != 0 && getline(&line, &cap, stdin) > 0) {
        const char *word = line + strlen("{\"text\":\"");
        n_docs++;
        if (!misbehave(word, n_docs)) {
            put_labels(line, strncmp(word, "bool", 4) == 0 ? "true" : "1");
        }
        fflush(stdout);
        if (strncmp(word, "once", 4) == 0) {
            return 0;
        }
    }
    free(line);
    while (strcmp(how, "stays") == 0) { // though its input has ended
        pause();
    }
    return 4;
}
