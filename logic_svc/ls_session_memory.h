/*
 * The session store in the process's own memory: for one goim-logic alone, for
 * tests and demonstrations.  After a new start the workers tell of everything
 * again.
 */

#ifndef LS_SESSION_MEMORY_H_INCLUDED
#define LS_SESSION_MEMORY_H_INCLUDED


#include "ls_session.h"


/* NULL: no memory. */
ls_session_t *ls_session_memory_create(void);


#endif /* LS_SESSION_MEMORY_H_INCLUDED */
