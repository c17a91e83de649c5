/* Property: bytes that begin as a torch file, zip or legacy, are refused with a message, or all
 * tensors lie inside of them and can be read.  (The CRCs of the zip seeds are 0, "none", so that
 * changed bytes get past them.) */
#include "tests/fuzz/fuzz_tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_file(data, size);
    return 0;
}
