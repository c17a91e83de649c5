/* Property: bytes that begin as a safetensors file are refused with a message, or all tensors lie
 * inside of them and can be read, and no two share a byte. */
#include "tests/fuzz/fuzz_tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_file(data, size);
    struct tensorfile *f = NULL;
    if (tensorfile_parse(&f, data, size, NULL) == 0 &&
        strcmp(tensorfile_format(f), "safetensors") == 0) {
        size_t bytes = 0;
        for (size_t i = 0; i < tensorfile_n(f); i++) {
            bytes += tensor_bytes(tensorfile_at(f, i));
        }
        check(bytes <= size - 8);
    }
    tensorfile_close(f);
    return 0;
}
