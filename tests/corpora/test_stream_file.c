/*
 * Streams from files that cannot be read, devices, a file that shrinks, and standard input.
 */
#include "tests/kit/stream_kit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void what_cannot_be_read_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int code;
        const char *message;
    } cases[] = {
        {"/nonexistent/file", ERR_NOT_FOUND, "/nonexistent/file: No such file or directory"},
        {"CMakeLists.txt/x", ERR_NOT_FOUND, "CMakeLists.txt/x: Not a directory"},
        {"tests/golden", ERR_IO,
         "tests/golden: is a folder; `gapscope pack tests/golden -o corpus.jsonl.zst` makes a "
         "corpus of the files in it"},
        {"/proc/self/mem", ERR_IO, "/proc/self/mem: byte 0: Input/output error"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stream *s = NULL;
        struct err err = {0};
        assert_int_equal(stream_open(&s, cases[i].path, &err), cases[i].code);
        assert_string_equal(err.msg, cases[i].message);
        assert_null(s);
    }
}

static void devices_and_files_of_no_size_are_read_to_their_end(void **state)
{
    (void)state;
    struct stream *s;
    struct buf out = {0};
    assert_int_equal(stream_open(&s, "/dev/null", NULL), 0);
    assert_int_equal(drain(s, &out, NULL), 0);
    assert_int_equal(out.len, 0);
    assert_int_equal(stream_open(&s, "/proc/self/status", NULL), 0);
    assert_int_equal(stream_size_raw(s), 0);
    assert_int_equal(drain(s, &out, NULL), 0);
    assert_memory_equal(out.data, "Name:", 5);
    buf_free(&out);
}

static void a_file_that_shrinks_is_truncated(void **state)
{
    (void)state;
    char path[] = "/tmp/gapscope-test-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    static char mega[1000000];
    memset(mega, 'x', sizeof mega);
    assert_int_equal(write(fd, mega, sizeof mega), sizeof mega);
    struct stream *s;
    assert_int_equal(stream_open(&s, path, NULL), 0);
    assert_int_equal(ftruncate(fd, 300000), 0);
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(drain(s, &out, &err), ERR_TRUNCATED);
    assert_int_equal(out.len, 300000);
    assert_non_null(strstr(err.msg, "byte 300000: the file ends here, but had 1000000 bytes"));
    buf_free(&out);
    close(fd);
    unlink(path);
}

static void ignore_signal(int signal)
{
    (void)signal;
}

/* Replaces standard input by 'fd'; returns the old one. */
static int swap_stdin(int fd)
{
    const int old = dup(STDIN_FILENO);
    dup2(fd, STDIN_FILENO);
    close(fd);
    return old;
}

static void standard_input_may_be_a_slow_pipe_and_signals_may_come(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (int i = 0; i < 5; i++) {
            usleep(10000);
            if (write(ends[1], "{}\n", 3) != 3) {
                _exit(1);
            }
        }
        _exit(0);
    }
    close(ends[1]);
    const int old = swap_stdin(ends[0]);
    struct sigaction action = {.sa_handler = ignore_signal}; // no SA_RESTART
    sigaction(SIGALRM, &action, NULL);
    const struct itimerval often = {{0, 3000}, {0, 3000}}, never = {0};
    setitimer(ITIMER_REAL, &often, NULL);

    struct stream *s;
    struct buf out = {0};
    assert_int_equal(stream_open(&s, "-", NULL), 0);
    assert_int_equal(stream_size_raw(s), 0);
    assert_int_equal(drain(s, &out, NULL), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    close(swap_stdin(old)); // stream_close() left it open: this is the pipe
    assert_int_equal(out.len, 15);
    assert_memory_equal(out.data, "{}\n{}\n{}\n{}\n{}\n", 15);
    buf_free(&out);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void standard_input_goes_on_where_another_left_it(void **state)
{
    (void)state;
    const int fd = open("tests/golden/zstd/plain.jsonl", O_RDONLY);
    assert_int_equal(lseek(fd, 100000, SEEK_SET), 100000);
    const int old = swap_stdin(fd);
    struct stream *s;
    struct buf out = {0};
    assert_int_equal(stream_open(&s, "-", NULL), 0);
    assert_int_equal(stream_size_raw(s), 459);
    assert_int_equal(drain(s, &out, NULL), 0);
    assert_int_equal(out.len, 459);
    buf_free(&out);

    dup2(open("tests", O_RDONLY), STDIN_FILENO);
    struct err err = {0};
    assert_int_equal(stream_open(&s, "-", &err), ERR_IO);
    assert_int_equal(strncmp(err.msg, "standard input: is a folder; `gapscope pack FOLDER", 50), 0);
    close(swap_stdin(old));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_read_is_refused_by_name),
        cmocka_unit_test(devices_and_files_of_no_size_are_read_to_their_end),
        cmocka_unit_test(a_file_that_shrinks_is_truncated),
        cmocka_unit_test(standard_input_may_be_a_slow_pipe_and_signals_may_come),
        cmocka_unit_test(standard_input_goes_on_where_another_left_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
