/*
 * Answers nginx's auth subrequest: who a client is, from its token, and where
 * it is from now on (docs/http_api.md).  The session is registered before the
 * answer goes out, so that a push right behind it finds the client.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "goim_time.h"
#include "ls_endpoints.h"
#include "ls_jwt.h"
#include "ls_push.h"
#include "ls_token.h"


#define LS_AUTH_CONN_LEN  32
#define LS_AUTH_UUID_LEN  36
#define LS_AUTH_RANDOM    16  /* bytes: of an id, of a UUID */


/* Between the token and the store's answer. */
typedef struct {
    ls_call_t   *call;
    ls_token_t   token;
    char         conn[LS_AUTH_CONN_LEN + 1];
    char         uuid[LS_AUTH_UUID_LEN + 1];
} ls_auth_t;


static int
ls_auth_random(uint8_t bytes[LS_AUTH_RANDOM])
{
    return getrandom(bytes, LS_AUTH_RANDOM, GRND_NONBLOCK) == LS_AUTH_RANDOM
           ? GOIM_OK : GOIM_ERROR;
}


static void
ls_auth_hex(char *out, const uint8_t *bytes, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}


/* RFC 9562, 5.4: version 4 is random. */
static void
ls_auth_uuid(char *out, uint8_t bytes[LS_AUTH_RANDOM])
{
    size_t  i, at;

    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;

    for (i = 0, at = 0; i < LS_AUTH_RANDOM; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            out[at++] = '-';
        }

        ls_auth_hex(out + at, &bytes[i], 1);
        at += 2;
    }
}


static void
ls_auth_free(ls_auth_t *la)
{
    ls_token_done(&la->token);
    free(la);
}


static void
ls_auth_fail(ls_auth_t *la, int status, int code, const char *message)
{
    ls_call_t  *call = la->call;

    ls_auth_free(la);
    ls_call_error(call, status, code, message);
}


static int
ls_auth_add_accepts(ls_auth_t *la)
{
    int      rc;
    char    *text, *p;
    size_t   i;

    if (la->token.naccepts == 0) {
        return GOIM_OK;
    }

    text = malloc(la->token.naccepts * sizeof("-2147483648,"));
    if (text == NULL) {
        return GOIM_NOMEM;
    }

    for (p = text, i = 0; i < la->token.naccepts; i++) {
        p += sprintf(p, "%s%d", i ? "," : "", (int) la->token.accepts[i]);
    }

    rc = ls_call_add_header(la->call, "X-Goim-Accepts", text);
    free(text);

    return rc;
}


/* Who it is; without one of them it would be somebody else. */
static int
ls_auth_add_identity(ls_auth_t *la)
{
    size_t      i;
    char        mid[32], heartbeat[32];
    ls_conf_t  *conf = la->call->ls->conf;

    const struct {
        const char  *name;
        const char  *value;
    } headers[] = {
        { "X-Goim-Mid", mid },
        { "X-Goim-Key", la->token.key },
        { "X-Goim-Conn", la->conn },
        { "X-Goim-Room", la->token.room },
        { "X-Goim-Heartbeat", heartbeat },
        { "X-Goim-Features", la->token.gap ? "gap" : NULL },
    };

    snprintf(mid, sizeof(mid), "%lld", (long long) la->token.mid);
    snprintf(heartbeat, sizeof(heartbeat), "%llu", (unsigned long long)
             (conf->heartbeat_ms * conf->heartbeat_max / 1000));

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (headers[i].value
            && ls_call_add_header(la->call, headers[i].name, headers[i].value)
               != GOIM_OK)
        {
            return GOIM_NOMEM;
        }
    }

    return ls_auth_add_accepts(la);
}


static void
ls_auth_accept(ls_auth_t *la)
{
    ls_call_t  *call = la->call;

    if (ls_auth_add_identity(la) != GOIM_OK) {
        ls_auth_fail(la, 503, LS_CODE_SERVER, "no memory");
        return;
    }

    ls_auth_free(la);
    ls_call_reply(call, 200, LS_HTTP_JSON, NULL);
}


static void
ls_auth_registered(void *data, int rc, const ls_session_kick_t *kicks,
    size_t n)
{
    ls_auth_t  *la = data;

    /* whom the store has replaced already nobody else will kick */

    ls_push_kicks(la->call->ls, kicks, n);

    if (rc != GOIM_OK) {
        ls_auth_fail(la, 503, LS_CODE_SERVER, "the session store can't be "
                     "reached");
        return;
    }

    ls_auth_accept(la);
}


/* A key for who has none, and the connection's id. */
static int
ls_auth_name(ls_auth_t *la)
{
    uint8_t  bytes[LS_AUTH_RANDOM];

    if (la->token.key == NULL) {
        if (ls_auth_random(bytes) != GOIM_OK) {
            return GOIM_ERROR;
        }

        ls_auth_uuid(la->uuid, bytes);

        la->token.key = strdup(la->uuid);
        if (la->token.key == NULL) {
            return GOIM_NOMEM;
        }
    }

    if (ls_auth_random(bytes) != GOIM_OK) {
        return GOIM_ERROR;
    }

    ls_auth_hex(la->conn, bytes, LS_AUTH_RANDOM);

    return GOIM_OK;
}


/* A body that is a JSON Web Token and nothing else. */
static int
ls_auth_take_bare(ls_token_t *token, goim_str_t body, const char **why)
{
    memset(token, 0, sizeof(ls_token_t));

    if (body.len > LS_TOKEN_MAX) {
        *why = "it is longer than 64 KB";
        return GOIM_INVALID;
    }

    token->jwt = strndup((const char *) body.data, body.len);

    return token->jwt ? GOIM_OK : GOIM_NOMEM;
}


/* What the settings let a token say about its bearer. */
static int
ls_auth_believe(ls_token_t *token, const ls_conf_t *conf, const char **why)
{
    switch (conf->auth) {

    case LS_CONF_OPEN:
        return GOIM_OK;

    case LS_CONF_JWT:
        if (token->jwt == NULL) {
            *why = "it has no signed \"token\" in it";
            return GOIM_INVALID;
        }

        return ls_jwt_verify(token, conf, goim_time_wall_ms() / 1000, why);

    default: /* LS_CONF_ANONYMOUS */
        free(token->key);
        token->key = NULL;
        token->mid = 0;
        return GOIM_OK;
    }
}


static int
ls_auth_take(ls_auth_t *la, goim_str_t body, const char **why)
{
    int               rc;
    const ls_conf_t  *conf = la->call->ls->conf;

    rc = conf->auth == LS_CONF_JWT && ls_jwt_is(body.data, body.len)
         ? ls_auth_take_bare(&la->token, body, why)
         : ls_token_parse(&la->token, body.data, body.len, why);

    if (rc != GOIM_OK) {
        return rc;
    }

    rc = ls_auth_believe(&la->token, conf, why);

    return rc == GOIM_OK ? ls_auth_name(la) : rc;
}


static goim_str_t
ls_auth_str(const char *s)
{
    return (goim_str_t) { (const uint8_t *) s, strlen(s) };
}


static void
ls_auth_register(ls_auth_t *la)
{
    ls_session_entry_t  entry;

    entry.key = ls_auth_str(la->token.key);
    entry.mid = la->token.mid;
    entry.server = ls_auth_str(ls_call_header(la->call, "X-Goim-Server"));
    entry.conn = ls_auth_str(la->conn);
    entry.when_ms = goim_time_wall_ms();

    ls_session_connect(la->call->ls->session, &entry, ls_auth_registered, la);
}


/* One more of this member's; with the same key it takes the other's place. */
static void
ls_auth_counted(void *data, int rc, const ls_session_place_t *places,
    size_t n)
{
    size_t      i, others;
    goim_str_t  key;
    ls_auth_t  *la = data;

    if (rc != GOIM_OK) {
        ls_auth_fail(la, 503, LS_CODE_SERVER, "the session store can't be "
                     "reached");
        return;
    }

    key = ls_auth_str(la->token.key);
    others = 0;

    for (i = 0; i < n; i++) {
        others += places[i].key.len != key.len
                  || memcmp(places[i].key.data, key.data, key.len) != 0;
    }

    if (others >= la->call->ls->conf->connections_per_mid) {
        la->call->ls->auth_limited++;
        ls_auth_fail(la, 429, -429, "the member has as many connections as it "
                     "may have");
        return;
    }

    ls_auth_register(la);
}


void
ls_auth(ls_call_t *call)
{
    int          rc;
    char         message[256];
    size_t       len;
    goim_str_t   body;
    ls_auth_t   *la;
    const char  *why;

    len = strlen(ls_call_header(call, "X-Goim-Server"));

    if (len == 0 || len > LS_REPORT_NAME) {
        ls_call_error(call, 400, LS_CODE_BAD, "the header X-Goim-Server must "
                      "name the comet, in 1 to 255 bytes");
        return;
    }

    la = calloc(1, sizeof(ls_auth_t));
    if (la == NULL) {
        ls_call_error(call, 503, LS_CODE_SERVER, "no memory");
        return;
    }

    la->call = call;
    body = ls_call_body(call);

    rc = ls_auth_take(la, body, &why);

    if (rc == GOIM_INVALID) {
        snprintf(message, sizeof(message), "the token is refused: %s", why);
        ls_auth_fail(la, 401, -401, message);
        return;
    }

    if (rc != GOIM_OK) {
        ls_auth_fail(la, 503, LS_CODE_SERVER, "no memory, or no random "
                     "numbers");
        return;
    }

    if (call->ls->conf->connections_per_mid && la->token.mid) {
        ls_session_find_mids(call->ls->session, &la->token.mid, 1,
                             ls_auth_counted, la);
        return;
    }

    ls_auth_register(la);
}
