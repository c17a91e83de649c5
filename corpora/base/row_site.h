/*
 * row_site.h - the places inside a model where its rows can be read
 *
 * A row is what stands at one place for one position of a window.  The names are TransformerLens'
 * hooks; all but the last are of a layer.
 */
#ifndef GAPSCOPE_CORPORA_BASE_ROW_SITE_H
#define GAPSCOPE_CORPORA_BASE_ROW_SITE_H

enum row_site {
    ROW_RESID_PRE,   // [d_model] hook_resid_pre
    ROW_LN1,         // [d_model] ln1.hook_normalized of folded weights: (x - mean) / scale
    ROW_Z,           // [n_heads * d_head] attn.hook_z
    ROW_RESID_MID,   // [d_model] hook_resid_mid; not of attention-only models, as all down to
    ROW_LN2,         // [d_model] ln2.hook_normalized, as ROW_LN1
    ROW_PRE,         // [d_mlp] mlp.hook_pre
    ROW_MID,         // [d_mlp] mlp.hook_mid of SoLU: before its norm
    ROW_POST,        // [d_mlp] mlp.hook_post
    ROW_MLP_OUT,     // [d_model] hook_mlp_out, here
    ROW_RESID_FINAL, // [d_model] the last layer's hook_resid_post
    ROW_SITES
};

#define ROW_BIT(site) (1u << (site)) // of a set of sites

#endif
