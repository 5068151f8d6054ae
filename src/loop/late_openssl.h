/* OpenSSL's functions, opened late (late.h); libcrypto's are found through libssl. */
#pragma once
#include "src/loop/late.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct openssl_functions {
#define LATE(name) __typeof__(name) *name;
#include "src/loop/late_openssl.def"
#undef LATE
};
/* To be called through once openssl_open() has returned 0. */
extern struct openssl_functions openssl;
int openssl_open(struct error *err) MUST_USE;
