#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/kit/code_kit.h"

struct row {
    const char *miner, *text;
};

#define CHECK_BYTES(rows)                                                                          \
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {                                      \
        check_bytes(rows[i].miner, rows[i].text);                                                  \
    }

#define CHECK_TOKENS(rows)                                                                         \
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {                                      \
        check_tokens(rows[i].miner, rows[i].text);                                                 \
    }

static void hex_is_more_than_a_number_or_a_word(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"hex", "md5 «d41d8cd98f00b204e9800998ecf8427e»."},
        {"hex", "«0xDEADBEEF» «0x1234567890123456» 0x123"},
        {"hex", "«DA39A3EE5E6B»"},
        {"hex", "name-«9960930a».css"},
        {"hex", "deadbeef 20201124 1000000e10 12abCDEF a1b2c3d a1b2c3d4e"},
        {"hex", "xa1b2c3d4 a1b2c3d4_ a1b2c3d4g éa1b2c3d4 a1b2c3d4é"},
        {"hex", "“«a1b2c3d4»”"},
        {"hash", "a1b2c3d4 «d41d8cd98f00b204e9800998ecf8427e»"},
        {"hash",
         "«da39a3ee5e6b4b0d3255bfef95601890afd80709» da39a3ee5e6b4b0d3255bfef95601890afd807"},
        {"hash", "«e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855»"},
        {"hash", "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"uuid", "{«123e4567-e89b-12d3-a456-426614174000»}"},
        {"uuid", "«123E4567-E89B-12D3-A456-426614174000» 123e4567-e89b-12d3-a456-42661417400"},
        {"uuid", "123e4567-e89b-12d3-a456-4266141740000 x123e4567-e89b-12d3-a456-426614174000"},
        {"uuid", "1-123e4567-e89b-12d3-a456-426614174000 123e4567-e89b-12d3-a456-426614174000-1"},
    };
    CHECK_BYTES(rows);
    check_tokens("hash", "^ d41|^d8cd98f00b204e9800998ecf8427e|.");
    check_tokens("uuid", "(|^123e4567-e89b|^-12d3-a456-426614174000)");
}

static void numbers_and_what_is_in_them(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"number", "«1» «23» «1,234,567» «1»,«23» «1234»,«567» «1»,«2345»"},
        {"number", "«3.14», «.5» «1e5» «1.5e-3» «1»e -«7» «10»px «5»th «3»D"},
        {"number", "utf8 x86 _1 v1.2 a1b2 é1 «0x1F» «0b101» «0o17» «0»x"},
        {"number", "«127».«0».«0».«1» «1».«2».«3»"},
        {"number", "「«12»」 年«12» «1999»–«2004» €«5»"},
        {"number", "x.«5» ..«5»"},
        {"decimal_fraction", "3.«14» .«5» 1.«5»e-3 127.0.0.1 1,234.«50» v1.2 a.5 1.x 2."},
        {"number_first", "«1»23 «.»5 «4»"},
        {"number_2", "1«2»3 .«5» 4"},
        {"number_3plus", "12«3,456» .5 4"},
        {"year", "«1999», «2004»-«2005» (c)«2001» the «1990»s in «2020»-11-24"},
        {"year", "1499 2100 12020 2,020 2020.5 $2020 €2020 #2020 .2020 2020px 2020% x2020"},
    };
    CHECK_BYTES(rows);
    static const struct row tokens[] = {
        {"number", "costs|^ 12|^34|^.|^50| euros"},
        {"number_first", "costs|^ 12|34|.|50| euros"},
        {"number_2", "costs| 12|^34|.|50| euros"},
        {"number_3plus", "costs| 12|34|^.|^50| euros"},
        {"decimal_fraction", "costs| 12|34|.|^50| euros"},
        {"decimal_fraction", "12|^.5"},
        {"number_first", "^a 1 b"},
        {"number_2", "1|^2, 3|^4"},
        {"number_first", "^1|^2, 3|4"},
        {"year", "in|^ 19|^99|."},
    };
    CHECK_TOKENS(tokens);
}

static void addresses(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"url", "see «https://example.org/a_(b)?c=d&e=%20#f»."},
        {"url", "(«http://example.org») <«ftp://x.y/z»> \"«git+ssh://host/a»\""},
        {"url", "«www.example.org/x», www. wwww.a.b awww.a.b"},
        {"url", "std::vector C://x ://x http:// http:///x éhttp://x"},
        {"url", "[«http://a/b»](«http://a/c») «http://a/[b]» [«http://a»]"},
        {"url", "«HTTP://A.B»！"},
        {"email", "<«ann.lee+x@mail.example.org»>, «a@b.cd»."},
        {"email", "user@host @a.b x@y.z1 x@.com x@-a.com"},
        {"email", "a@b@«c@d.org» .«x@y.org»"},
        {"email", "«x@y.org».5 «x@y.co.uk»-"},
    };
    CHECK_BYTES(rows);
    check_tokens("url", "see|^ https|^://|^x.org/|^a.| b");
    check_tokens("email", "^<me@x.org>");
}

static void dates_and_times(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"date", "«2020-11-24» «2020/11/24» «2020-11-24»T13:12 2020-13-24 2020-11-32 2020-11/24"},
        {"date", "«12/31/2020» «31/12/2020» «1/2/34» 13/32/2020 1/2 32/1/2020 12/31/202"},
        {"date", "«31.12.2020» «31-12-2020» 10.12.31.2020 10.0.20 3-4-5 12.31.2020.1"},
        {"date", "«31 Dec 2020», «31st of December, 2020». «31-DEC-2020» «1 May» 32 May"},
        {"date", "«December 31, 2020» «Dec. 31» «Nov 24th» «December 2020» «Sept 3» May Dec."},
        {"date", "Mayor 5 DecEmber 5 december 5 x2020-11-24 2020-11-241 2020-11-24x"},
        {"date", "in «May 2020», in May. Then"},
        {"time",
         "«13:12» «9:05:30» «13:12:55.250»! 2020-11-24T«13:12:55Z» «1:02:03+07:00» 25:00 9:5 9:61"},
        {"time", "«9:05 am» «9:05pm» «9:05 p.m.», «9:05» amx 1:2:3 12:34:56:78 x[0:10] 1.12:30"},
    };
    CHECK_BYTES(rows);
    check_tokens("date", "on|^ 31|^ Dec|^ember|^ 20|^20|.");
}

static void words_by_their_capitals(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"all_caps", "«NASA» «HTTP2» «MAX_VALUE» I A1 Nasa NaSA «__END__» 12"},
        {"camel_case", "«camelCase» «CamelCase» «XMLHttpRequest» «iPhone» «PhD» Word WORD word"},
        {"camel_case", "\\xaB 1aB x_aB sjNcAfvunjWrPArGGcYpN7 «a1bC»"},
        {"snake_case",
         "«snake_case» «_my_name» «a_1» __init__ MAX_VALUE _x x_ a__b 1_2 Snake_case"},
        {"capitalised_mid", "The old «Man» met, «Anna» «Smith». He saw \"Bob\" and «Zoë»: Then"},
        {"capitalised_mid", "x\nThe (The) The - The 5 «Days» a  Two I McX NASA"},
    };
    CHECK_BYTES(rows);
    check_tokens("camel_case", "a|^ camel|^Case|(");
    check_tokens("capitalised_mid", "in|^ Par|^is|.");
}

static void scripts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"accented", "caf«é» na«ï»ve «ß» 5 µ © ™ привет"},
        {"non_latin", "café «привет» «αβ», «中文»。 «ひらがな» «한국» «עברית» «العربية» «ไทย» ①"},
        {"cyrillic", "«привет» αβ"},
        {"greek", "привет «αβ» µ"},
        {"cjk", "«中文»，«ひらがな» 「«カタカナ»」 «한국» 123"},
        {"hebrew", "«עברית» العربية"},
        {"arabic", "עברית «العربية» ٣"},
    };
    CHECK_BYTES(rows);
    // tokens that cut characters; a combining accent is Latin only on a Latin letter
    check_tokens("accented", "caf|^\xc3|^\xa9|e");
    check_tokens("cjk", "x|^\xe4\xb8|^\xad\xe6|^\x96\x87|.");
    check_tokens("accented", "e|^\xcc\x81| |\xe2\x89\xa6|\xcc\xb8");
}

static void parts_of_words(void **state)
{
    (void)state;
    static const struct row tokens[] = {
        {"word_start", "^ ice|^ cre|am|,| 5|^x|."},
        {"word_inside", " ice| cre|^am|,| 5|x|."},
        {"word_start", "^don|'|^t"},
        {"word_start", "1| |^\xc3|\xa9|t\xc3|\xa9| |^x y"},
        {"word_inside", "1| |\xc3|^\xa9|^t\xc3|^\xa9| |x y"},
        {"word_inside", "a|^b c|^d"},
        {"word_start", "^a|^b c|d"},
        {"other_tokenisation", " ice| cream|,| ice|^ cre|^am|^ cream|;|^ice|.|^ ice"},
        {"other_tokenisation", "the| The| a|a"},
        {"other_tokenisation", "ab|;|^a|^b|;|^ab"},
    };
    CHECK_TOKENS(tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_is_more_than_a_number_or_a_word),
        cmocka_unit_test(numbers_and_what_is_in_them),
        cmocka_unit_test(addresses),
        cmocka_unit_test(dates_and_times),
        cmocka_unit_test(words_by_their_capitals),
        cmocka_unit_test(scripts),
        cmocka_unit_test(parts_of_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
