/*
 * Any bytes as the body of goim v1's /1/pushs.  What is pushed is one value of
 * JSON out of the body, and at least what the members' numbers take of it.
 */

#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "ls_endpoints.h"
#include "ls_push.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static uint8_t    *fuzz_body;
static size_t      fuzz_len;
static int         fuzz_answers;


static void
check(int ok)
{
    if (!ok) {
        __builtin_trap();
    }
}


/* --- what the endpoint calls */

goim_str_t
ls_call_body(ls_call_t *call)
{
    (void) call;

    return (goim_str_t) { fuzz_body, fuzz_len };
}


void
ls_call_reply(ls_call_t *call, int status, const char *type,
    struct evbuffer *body)
{
    (void) call;
    (void) type;

    check(status == 200 && body != NULL);
    fuzz_answers++;
}


static void
check_json(goim_str_t json)
{
    yajl_handle  yajl;

    yajl = yajl_alloc(NULL, NULL, NULL);
    check(yajl != NULL);

    check(yajl_parse(yajl, json.data, json.len) == yajl_status_ok
          && yajl_complete_parse(yajl) == yajl_status_ok);

    yajl_free(yajl);
}


void
ls_push_to_mids(ls_call_t *call, int32_t op, const int64_t *mids, size_t n,
    goim_str_t body, ls_push_answer_pt answer)
{
    size_t   i;
    int64_t  sum;

    (void) call;

    check(op == 1000 && answer != NULL);
    check(body.len > 0 && body.data >= fuzz_body
          && body.data + body.len <= fuzz_body + fuzz_len);
    check_json(body);
    check(2 * n <= fuzz_len);

    /* all of them can be read */

    for (i = 0, sum = 0; i < n; i++) {
        sum ^= mids[i];
    }

    fuzz_answers += 1 + (sum & 0);
}


void
ls_push_to_room(ls_call_t *call, int32_t op, goim_str_t room, goim_str_t body,
    ls_push_answer_pt answer)
{
    (void) call;
    (void) op;
    (void) room;
    (void) body;
    (void) answer;
}


void
ls_push_to_all(ls_call_t *call, int32_t op, int32_t speed, goim_str_t body,
    ls_push_answer_pt answer)
{
    (void) call;
    (void) op;
    (void) speed;
    (void) body;
    (void) answer;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ls_t       ls;
    ls_conf_t  conf;
    ls_call_t  call;

    memset(&ls, 0, sizeof(ls_t));
    memset(&conf, 0, sizeof(ls_conf_t));
    memset(&call, 0, sizeof(ls_call_t));

    conf.v1_op = 1000;
    ls.conf = &conf;
    call.ls = &ls;

    fuzz_body = malloc(size ? size : 1);
    check(fuzz_body != NULL);

    if (size) {
        memcpy(fuzz_body, data, size);
    }

    fuzz_len = size;
    fuzz_answers = 0;

    ls_push_v1_several(&call);
    check(fuzz_answers == 1);

    free(fuzz_body);

    return 0;
}
