/*
 * Verifies tokens with libjwt; see ls_jwt.h.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jwt.h>

#include "ls_jwt.h"


int
ls_jwt_is(const uint8_t *text, size_t len)
{
    size_t  i, dots;

    for (i = 0, dots = 0; i < len; i++) {
        if (text[i] == '.') {
            dots++;
            continue;
        }

        if (!((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z')
            && !(text[i] >= '0' && text[i] <= '9')
            && text[i] != '-' && text[i] != '_')
        {
            return 0;
        }
    }

    return dots == 2;
}


int
ls_jwt_alg(const char *name)
{
    jwt_alg_t  alg;

    alg = jwt_str_alg(name);

    return alg == JWT_ALG_NONE || alg == JWT_ALG_INVAL ? -1 : (int) alg;
}


int
ls_jwt_fits(const ls_conf_t *conf)
{
    static const char  pem[] = "-----BEGIN ";

    switch (conf->jwt_alg) {

    case JWT_ALG_HS256:
    case JWT_ALG_HS384:
    case JWT_ALG_HS512:
        return 1;

    default:
        return conf->jwt_key_len > sizeof(pem) - 1
               && memcmp(conf->jwt_key, pem, sizeof(pem) - 1) == 0;
    }
}


/* A date claim; GOIM_INVALID: it is no number. */
static int
ls_jwt_date(jwt_t *jwt, const char *claim, long missing, long *date)
{
    errno = 0;
    *date = jwt_get_grant_int(jwt, claim);

    if (errno == ENOENT) {
        *date = missing;
        return GOIM_OK;
    }

    return errno || *date < 0 ? GOIM_INVALID : GOIM_OK;
}


static int
ls_jwt_check_dates(jwt_t *jwt, long now, const char **why)
{
    long  exp, nbf;

    if (ls_jwt_date(jwt, "exp", now + 1, &exp) != GOIM_OK
        || ls_jwt_date(jwt, "nbf", now, &nbf) != GOIM_OK)
    {
        *why = "\"exp\" or \"nbf\" is no number of seconds";
        return GOIM_INVALID;
    }

    if (exp <= now) {
        *why = "it has expired";
        return GOIM_INVALID;
    }

    if (nbf > now) {
        *why = "it is not valid yet";
        return GOIM_INVALID;
    }

    return GOIM_OK;
}


/* The claims are a token; what they leave out the client may say. */
static int
ls_jwt_take_claims(ls_token_t *token, jwt_t *jwt, const char **why)
{
    int          rc;
    char        *json;
    ls_token_t   claims;

    json = jwt_get_grants_json(jwt, NULL);
    if (json == NULL) {
        return GOIM_NOMEM;
    }

    rc = ls_token_parse(&claims, (uint8_t *) json, strlen(json), why);
    free(json);

    if (rc != GOIM_OK) {
        return rc;
    }

    if (claims.room == NULL) {
        claims.room = token->room;
        token->room = NULL;
    }

    claims.gap |= token->gap;

    if (claims.accepts == NULL) {
        claims.accepts = token->accepts;
        claims.naccepts = token->naccepts;
        token->accepts = NULL;
    }

    ls_token_done(token);
    *token = claims;

    return GOIM_OK;
}


int
ls_jwt_verify(ls_token_t *token, const ls_conf_t *conf, uint64_t now_s,
    const char **why)
{
    int     rc;
    jwt_t  *jwt;

    jwt = NULL;

    if (jwt_decode(&jwt, token->jwt, conf->jwt_key, conf->jwt_key_len)
        != 0)
    {
        *why = "its signature is not right";
        jwt_free(jwt);
        return GOIM_INVALID;
    }

    /* what the token says itself must not choose how it is checked */

    if ((int) jwt_get_alg(jwt) != conf->jwt_alg) {
        *why = "it is signed by another algorithm than \"jwt_alg\"";
        rc = GOIM_INVALID;

    } else {
        rc = ls_jwt_check_dates(jwt, now_s, why);
    }

    if (rc == GOIM_OK) {
        rc = ls_jwt_take_claims(token, jwt, why);
    }

    jwt_free(jwt);

    return rc;
}
