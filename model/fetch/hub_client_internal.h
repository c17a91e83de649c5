/*
 * hub_client_internal.h - what hub_client.c and hub_again.c share
 */
#ifndef GAPSCOPE_MODEL_FETCH_HUB_CLIENT_INTERNAL_H
#define GAPSCOPE_MODEL_FETCH_HUB_CLIENT_INTERNAL_H

#include "model/fetch/hub_client.h"

struct hub_client {
    struct http *http;
    char *endpoint; // without a slash at its end
    char *token;    // NULL: none
    char host[256];
    char token_from[300]; // the variable or the file
    bool quiet;
};

#endif
