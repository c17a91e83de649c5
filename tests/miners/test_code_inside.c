#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/kit/code_kit.h"

static void indentation_and_its_levels(void **state)
{
    (void)state;
    check_bytes("indent", "a\n«    »b\n«  »c\n   \n\n«\t»d\n  ");
    check_bytes("indent", "«  »a");
    check_tokens("indent", "a:|\n|^   | b|\n |\n");
    check_tokens("indent", "a:|^\n   | b|;|^\n |c");
    check_bytes("indent_1", "a\n«    »b\n        c\n            d\n«\t»e\n   f\n«      »g");
    check_bytes("indent_2", "a\n    b\n«        »c\n            d\n«\t\t»e");
    check_bytes("indent_3plus", "a\n    b\n        c\n«            »d\n«                »e\n");
    // a level is two spaces; a comment's asterisks are as deep as its first line
    check_bytes("indent_1", "a\n«  »b\n    c\n«  »d\ne\n«  »f\n«   »* g");
    check_bytes("indent_2", "a\n  b\n«    »c\n  d\ne\n  f");
    // without a deeper line a level is four spaces; 1 space is not a level
    check_bytes("indent_1", "«    »a\n b");
}

static void lines(void **state)
{
    (void)state;
    check_bytes("indent_more", "a\n  «b»\n  c\n\n    «d»\ne\n\t«f»");
    check_bytes("indent_less", "    a\n  «b»\n   \n  c\n«d»\n");
    check_tokens("indent_more", "a|\n   |^ if|\n   | x|\n|y");
    check_bytes("line_first", "«a»b\n\n  «c» \n \n«d»");
    check_tokens("line_first", "^ a|b\n\n|  |^ c| |\n|^d\ne|f");
    check_tokens("after_newline", "a\n|^b|\n|^\n|^c|\nd|e");
    check_tokens("after_newline", "a");
}

static void quoted_mail(void **state)
{
    (void)state;
    check_bytes("quoted_email",
                "Ann wrote:\n«> Hello Bob»\n«>»\n«>> so»\n«> > me»\nYes.\n x > y\n");
    check_bytes("quoted_email", "«> a»\n«>>> deep»\n >no\n>=2\n");
    check_bytes("quoted_email", ">>> import x\n>>> x\n1\n");
    check_bytes("quoted_email", "<a\n>x</a\n>\n");
    check_tokens("quoted_email", "Hi\n|^>|^ no");
}

static void brackets_and_their_depth(void **state)
{
    (void)state;
    check_bytes("in_parens", "a «(b[c]»)«(»)d");
    check_bytes("in_square", "a(b«[c»])");
    check_bytes("in_braces", "f() «{ [x]; »}");
    check_bytes("bracket_depth_1", "«(a»[b{c}d«]e») «[»]");
    check_bytes("bracket_depth_2", "(a«[b»{c«}d»]e)");
    check_bytes("bracket_depth_3plus", "(a[b«{c(x)»}d]e)");
    // only pairs count
    check_bytes("in_parens", "1) and «(this») :(");
    check_bytes("in_parens", "a\n1) b\n  c) :) :-( ;) «(d») '(' \"(\" \\( «(:») 12) e f)");
    check_bytes("in_parens", "«(a [b»)] c");
    check_bytes("in_square", "(a [b)] c");
    check_bytes("in_braces", "{ a");
    check_bytes("bracket_depth_1", "( ( ( «(x»)");
    // the state after the token counts
    check_tokens("in_parens", "f|^(|^a|)|()|^(x|).|(y)");
    check_tokens("in_parens", "^f(|x)(y)|(z)");
}

static void quotes(void **state)
{
    (void)state;
    check_bytes("in_quotes", "He said «\"yes»\" and “");
    check_tokens("in_quotes", "a|^“|^yes|”|.");
    check_tokens("in_quotes", "a|^„|^ja|“|.|^„|^x|”");
    check_bytes("in_quotes", "x = «\"a \\\" b»\", 5\" wide «\"c»\"");
    check_bytes("in_quotes", "say \"never\n \nclosed. «\"New»\"");
    check_bytes("in_quotes", "«\"one\nparagraph»\"");
    check_tokens("in_quotes", "”|x|“|y|\"|z");
    check_bytes("in_quotes", "don't 'x' `y`");
}

#define PYTHON "import os\ndef f(a):\n"

static void python(void **state)
{
    (void)state;
    check_bytes("in_string", PYTHON "  x = «'a \\' b»' + «\"c»\" + rb«'d»' + «'»'\n");
    check_bytes("in_comment", PYTHON "  x = '#' «# it's»\n  «#»\n");
    check_tokens("in_string", PYTHON "  x =|^ '|^y|'|z");
    check_tokens("in_string", PYTHON "|^  '''|^a|^''|^ \"|^ '|''' b");
    check_bytes("in_docstring", "#!/usr/bin/python\n#\n\"\"«\"top\"\"»\"\nx = '''a'''\n");
    check_bytes("in_docstring", PYTHON "  # c\n  «'one»'\n  'two'\n  if a:\n    'three'\n");
    check_bytes("in_docstring", PYTHON "  d = {a:\n 'x'}\n");
    check_bytes("in_docstring", PYTHON "  x = (\nclass C:\n  r\"\"«\"a\n b\"\"»\"\n");
    check_bytes("in_docstring",
                "async def f(a, b=(1, 2),\n  c): # x\n  u«'one»'\ndef g():\n  pass\n");
    // a string that is not closed does not count; one of three quotes goes on to the end
    check_bytes("in_string", PYTHON "  x don't y «'z»'\n  ' a \"b\"\n  «'c»'\n");
    check_bytes("in_string", PYTHON "  «'a\\\n b»' 'c\\\n d\n");
    check_bytes("in_string", PYTHON "  x = \"\"«\"a\n b 'c»");
    check_bytes("in_string", PYTHON "  x = «'a»' # 'b'\n");
}

static void python_is_told_from_other_texts(void **state)
{
    (void)state;
    static const char *const python[] = {
        "def f(x): # c\n",
        "class C:\n",
        "class C(D):\n",
        "  async def f(self):\n",
        "from . import y\n",
        "from a.b import (c,\n",
        "#!/usr/bin/env python3\n",
        "import os, sys as s\nif x:\n",
        "import os\nfor a in b:\n",
        "import os\ntry:\n",
    };
    static const char *const others[] = {
        "import os\n",
        "import java.util.List;\nif x:\n",
        "if you like:\n",
        "def f(x)\n  x\nend\n",
        "class C {\n",
        "from here to there, we import things\n",
        "for example:\nimport x\n",
        "see class: this\n",
    };
    char text[200];
    for (size_t i = 0; i < sizeof python / sizeof *python; i++) {
        snprintf(text, sizeof text, "%sx = «'a»'\n", python[i]);
        check_bytes("in_string", text);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(text, sizeof text, "%sx = 'a' # b\n", others[i]);
        check_bytes("in_string", text);
        check_bytes("in_comment", text);
    }
}

#define C "#include <stdio.h>\n"

static void c_and_the_like(void **state)
{
    (void)state;
    check_bytes("c_string", C "x = «\"a \\\" // b»\" + «'c»'; // \"d\"\n");
    check_bytes("c_string", C "y = «`a\n${b}»`; ` z");
    check_bytes("c_string", C "n = 1'000; don't; fn f<'a>(x: &'a str) -> «'b»'");
    check_bytes("c_string", C "#error x ' \"y\"\n«\"z»\"");
    check_bytes("c_comment", C "a /«* b // \"c\" *»/ d /«/ e */»\nhttp://x\n/«* f»");
}

static void c_is_told_from_other_texts(void **state)
{
    (void)state;
    check_bytes("c_string",
                "a = «\"b»\";\nfunction f() {\n}\n// prose\n// prose\n// prose\n// prose\n");
    check_bytes("c_string", "a {\n  b: «\"c»\";\n}\n");
    check_bytes("c_string", "a = \"b\";\nand so\non\nit\n} {\ngoes\nfor\nlong\n");
    check_bytes("c_string", "use strict;\nmy $x = \"b\";\nmy $y;\nsub f {\n");
    check_bytes("c_comment", "\\section{http}\n\\a{b}\n\\c{x // y}\n");
    check_bytes("c_comment", "He said // so.\n");
}

#define HTML "<!DOCTYPE html>\n"

static void markup(void **state)
{
    (void)state;
    check_bytes("html_tag_name", HTML "<«p» class=a>x</«p»><«br»/><«svg:g» />a < b <c@d.e> <1>");
    check_bytes("html_attribute", HTML "<p «class»=\"a>b\" «id»='c' «x»=y «z»>b=c</p>");
    check_bytes("html_value", HTML "<p class=\"«a>b»\" id='«c»' x=«y» z e=\"\">b=c</p>");
    check_bytes("html_comment", HTML "<!--« a <b> »--><p><!--« c»");
    check_bytes("html_text",
                "x <p> «a b» <i>«c»</i>\n</p> «d» <script>if (a<b) e</script>«f»<br>g");
    check_bytes("html_text", HTML "«a»<style>b</style>«c»<!-- d -->«e»</p>");
    check_bytes("html_tag_name", HTML "<a b=\"c <a b='d");
    check_tokens("html_tag_name", HTML "|<|^div| class|=\"a|\">|</|^di|^v|>");
    check_tokens("html_value", HTML "<div| class|^=\"a|^ b\">|x");
}

static void markup_is_told_from_other_texts(void **state)
{
    (void)state;
    check_bytes("html_tag_name", "std::vector<int> x; a<b> c;\n");
    check_bytes("html_tag_name", "<«b»>x</«b»>");
    check_bytes("html_tag_name", "  <?xml version='1.0'?><«a»/>");
    struct buf text = {0};
    assert_int_equal(buf_printf(&text, NULL, "<b>x</b>%1000s", ""), 0);
    check_bytes("html_tag_name", text.data);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indentation_and_its_levels),
        cmocka_unit_test(lines),
        cmocka_unit_test(quoted_mail),
        cmocka_unit_test(brackets_and_their_depth),
        cmocka_unit_test(quotes),
        cmocka_unit_test(python),
        cmocka_unit_test(python_is_told_from_other_texts),
        cmocka_unit_test(c_and_the_like),
        cmocka_unit_test(c_is_told_from_other_texts),
        cmocka_unit_test(markup),
        cmocka_unit_test(markup_is_told_from_other_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
