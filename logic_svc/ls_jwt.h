/*
 * Signed tokens: a JSON Web Token (RFC 7519) in place of goim's bare one, or
 * in its member "token".  Its claims are the members of goim's token.
 */

#ifndef LS_JWT_H_INCLUDED
#define LS_JWT_H_INCLUDED


#include "ls_conf.h"
#include "ls_token.h"


/* Whether a client's text is itself a JSON Web Token: three parts, no JSON. */
int ls_jwt_is(const uint8_t *text, size_t len);

/* The algorithm of that name, or -1. */
int ls_jwt_alg(const char *name);

/*
 * Whether the key of the settings is of the kind that their algorithm needs:
 * a PEM for all but HS256, HS384 and HS512.
 */
int ls_jwt_fits(const ls_conf_t *conf);

/*
 * Takes who the bearer is from the claims of token->jwt: mid and key (0 and
 * NULL if they claim none), room and accepts if they claim any.  GOIM_INVALID:
 * it is not signed with the key of the settings by their algorithm, not valid
 * any more or not yet (exp, nbf), or a claim is malformed; *why is then a
 * static sentence.  GOIM_NOMEM.
 */
GOIM_MUSTCHECK int ls_jwt_verify(ls_token_t *token, const ls_conf_t *conf,
    uint64_t now_s, const char **why);


#endif /* LS_JWT_H_INCLUDED */
