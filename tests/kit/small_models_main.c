/*
 * small_models DIR - the models of small_models() for a test in Python
 */
#include <stdio.h>

#include "tests/kit/model_copy.h"

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: small_models DIR\n");
        return 2;
    }
    small_models(argv[1]);
    return 0;
}
