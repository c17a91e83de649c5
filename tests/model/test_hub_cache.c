#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/load/hub_cache.h"

static const char *const names[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME",
                                    "XDG_CACHE_HOME", "HOME"};
#define N_NAMES (sizeof names / sizeof *names)

static void the_cache_is_where_the_hub_s_client_has_it(void **state)
{
    (void)state;
    static const struct {
        const char *values[N_NAMES]; // NULL: not set
        const char *cache, *home;
    } cases[] = {
        {{NULL, NULL, NULL, NULL, "/h"}, "/h/.cache/huggingface/hub", "/h/.cache/huggingface"},
        {{NULL, NULL, NULL, "/x", "/h"}, "/x/huggingface/hub", "/x/huggingface"},
        {{NULL, NULL, "/hf", "/x", "/h"}, "/hf/hub", "/hf"},
        {{NULL, "/old", "/hf", "/x", "/h"}, "/old", "/hf"},
        {{"/new", "/old", "/hf", "/x", "/h"}, "/new", "/hf"},
        {{"", "", "", "", "/h"}, "/h/.cache/huggingface/hub", "/h/.cache/huggingface"},
        {{"~/c", NULL, NULL, NULL, "/h"}, "/h/c", "/h/.cache/huggingface"},
        {{"$HOME/c", NULL, "${HOME}/d", NULL, "/h"}, "/h/c", "/h/d"},
        {{NULL, NULL, NULL, "~/x", "/h"}, "/h/x/huggingface/hub", "/h/x/huggingface"},
        {{"/a/$NO_SUCH_VARIABLE/$", NULL, NULL, NULL, "/h"},
         "/a/$NO_SUCH_VARIABLE/$",
         "/h/.cache/huggingface"},
        {{"/a/~/b", NULL, NULL, NULL, "/h"}, "/a/~/b", "/h/.cache/huggingface"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *cache = NULL, *home = NULL;
        for (size_t k = 0; k < N_NAMES; k++) {
            unsetenv(names[k]);
            if (cases[i].values[k]) {
                setenv(names[k], cases[i].values[k], 1);
            }
        }
        assert_int_equal(hub_cache_folder(&cache, NULL), 0);
        assert_int_equal(hub_cache_home(&home, NULL), 0);
        assert_string_equal(cache, cases[i].cache);
        assert_string_equal(home, cases[i].home);
        free(cache);
        free(home);
    }
}

static void a_repository_has_a_folder_by_its_kind(void **state)
{
    (void)state;
    char *folder = NULL;
    setenv("HF_HUB_CACHE", "/c", 1);
    assert_int_equal(hub_cache_repo(&folder, "models", "NeelNanda/GELU_1L", NULL), 0);
    assert_string_equal(folder, "/c/models--NeelNanda--GELU_1L");
    free(folder);
    assert_int_equal(hub_cache_repo(&folder, "datasets", "squad", NULL), 0);
    assert_string_equal(folder, "/c/datasets--squad");
    free(folder);
}

static void offline_is_said_in_several_words(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool yes;
    } cases[] = {{"1", true},  {"ON", true}, {"yes", true}, {"True", true},
                 {"0", false}, {"", false},  {"no", false}, {"11", false}};
    unsetenv("HF_HUB_OFFLINE");
    unsetenv("TRANSFORMERS_OFFLINE");
    assert_false(hub_cache_offline());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("TRANSFORMERS_OFFLINE", cases[i].value, 1);
        assert_int_equal(hub_cache_offline(), cases[i].yes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_is_where_the_hub_s_client_has_it),
        cmocka_unit_test(a_repository_has_a_folder_by_its_kind),
        cmocka_unit_test(offline_is_said_in_several_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
