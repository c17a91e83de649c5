/*
 * head_moment.h - what is known of an attention head at one position of a window
 *
 * P[t,j] is the attention that position t gives to j <= t, z the attention-weighted values.  The
 * earlier places of t are the positions j < t of the window with the same id; where there are none,
 * both sums over them are 0.
 */
#ifndef GAPSCOPE_CORPORA_BASE_HEAD_MOMENT_H
#define GAPSCOPE_CORPORA_BASE_HEAD_MOMENT_H

enum head_moment {
    HEAD_TO_BOS,       // P[t,0]
    HEAD_TO_SELF,      // P[t,t]
    HEAD_TO_PREVIOUS,  // P[t,t-1]; 0 at t = 0
    HEAD_TO_DUPLICATE, // sum of P[t,j] over the earlier places j
    HEAD_TO_INDUCTION, // sum of P[t,j+1] over them
    HEAD_ENTROPY,      // of P[t,.], nats
    HEAD_DISTANCE,     // sum over j of P[t,j] (t - j)
    HEAD_OUT_NORM,     // |z W_O|
    HEAD_DLA,          // direct logit attribution to the true next token; 0 where there is none
    HEAD_MOMENTS
};

#endif
