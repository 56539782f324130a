
/*
 * TLS of goim_load's clients: no certificate is checked, and a session may be
 * taken up again.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "load.h"


/* The newest does for the next client: one of TLS 1.3 is good for one use. */
static int
load_tls_keep(SSL *ssl, SSL_SESSION *session)
{
    load_t  *load;

    load = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    if (load->session != NULL) {
        SSL_SESSION_free(load->session);
    }

    load->session = session;

    return 1;
}


void
load_tls_init(load_t *load, int keep)
{
    load->tls = SSL_CTX_new(TLS_client_method());
    if (load->tls == NULL) {
        fprintf(stderr, "goim_load: no TLS\n");
        exit(1);
    }

    SSL_CTX_set_app_data(load->tls, load);
    SSL_CTX_set_mode(load->tls, SSL_MODE_RELEASE_BUFFERS);

    if (keep) {
        SSL_CTX_set_session_cache_mode(load->tls, SSL_SESS_CACHE_CLIENT
                                       | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(load->tls, load_tls_keep);
    }
}


/* GOIM_AGAIN, or GOIM_ERROR and nothing left in OpenSSL's queue. */
static int
load_tls_error(load_conn_t *c, int rc)
{
    int  error;

    error = SSL_get_error(c->ssl, rc);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return GOIM_AGAIN;
    }

    ERR_clear_error();

    return GOIM_ERROR;
}


int
load_tls_handshake(load_t *load, load_conn_t *c)
{
    int  rc;

    if (c->ssl == NULL) {
        c->ssl = SSL_new(load->tls);

        if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1) {
            return GOIM_ERROR;
        }

        if (load->session != NULL) {
            SSL_set_session(c->ssl, load->session);
        }
    }

    rc = SSL_connect(c->ssl);

    if (rc == 1) {
        load->resumed += SSL_session_reused(c->ssl);
        return GOIM_OK;
    }

    return load_tls_error(c, rc);
}


/* As much as is there, up to len. */
ssize_t
load_tls_recv(load_conn_t *c, uint8_t *p, size_t len)
{
    int     n;
    size_t  got;

    for (got = 0; got < len; got += n) {
        n = SSL_read(c->ssl, p + got, len - got);

        if (n <= 0) {
            if (load_tls_error(c, n) == GOIM_AGAIN) {
                errno = EAGAIN;
                return got ? (ssize_t) got : -1;
            }

            return got;
        }
    }

    return got;
}


ssize_t
load_tls_send(load_conn_t *c, const void *data, size_t len)
{
    int  n;

    n = SSL_write(c->ssl, data, len);

    if (n > 0) {
        return n;
    }

    errno = load_tls_error(c, n) == GOIM_AGAIN ? EAGAIN : EPIPE;

    return -1;
}
