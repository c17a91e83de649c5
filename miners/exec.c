#include "miners/kinds.h"

int exec_miner(struct miner *m, const struct exec_options *o, struct err *err)
{
    (void)m;
    (void)o;
    return err_set(err, ERR_UNSUPPORTED, "exec is not there yet");
}
