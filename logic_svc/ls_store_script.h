/*
 * The scripts that change sessions within Redis: each touches the keys of one
 * server only, and is done whole or not at all.  docs/redis.md tells of the
 * keys.
 */

#ifndef LS_STORE_SCRIPT_H_INCLUDED
#define LS_STORE_SCRIPT_H_INCLUDED


/*
 * Lists are flat.  <epoch> is 0 for what only an auth request has told of.
 * All times are in ms.
 */

/*
 * <server> <epoch> <ttl>, then for each session: <op> <key> <conn> <mid>
 * <when>.  Ops: c connect, r renew, d disconnect, x the end of an epoch.
 * Answers four for each: <code> <conn> <server> <number>:
 *   =  the connection stands for its key already; number: when it came
 *   +  it does now; number: when it came
 *   >  it does now, instead of conn at server; number: the mid of that, and
 *      conn "" if nothing is known but the server
 *   <  it does not: conn is younger ("": not known)
 *   -  nothing (d and x)
 */
extern const char  ls_store_script_keys[];

/* The same for members; op "d" and "x" as above, else "s".  Answers OK. */
extern const char  ls_store_script_mids[];

/* <mid> ...; answers a list of <key> <server> for each. */
extern const char  ls_store_script_find_mids[];

/*
 * A report's beginning: <server> <slot> <epoch> <ttl> <conns> <generation>,
 * then <op> <conn> <mid> <addr> <key> of each connection; ops c and r.
 * Answers <state> <again>: state 0: the report is to be ignored; again 1: the
 * store may have lost sessions of this epoch.
 */
extern const char  ls_store_script_come[];

/*
 * A report's end: <server> <slot> <epoch> <ttl> <conns> <state>, then
 * "d" <conn> "" or "r" <room> <members>.  State: "p", "c", "l", or "" for
 * one that has more to follow.  Answers <state> <first> <known>: first 1: it
 * has become complete just now; known: connections of the epoch.
 */
extern const char  ls_store_script_tell[];

/*
 * <before> <forget>: some of the slots that were last seen before a time of
 * Redis' clock are silent; when they have been so for <forget>, nothing is
 * known of them any more.  Answers what time it is there.
 *
 * The time is the caller's, not taken when the script runs: a Redis that was
 * stopped does what it was told before, and to it everybody has been silent.
 */
extern const char  ls_store_script_silent[];

/* <id> <conn> ...: sessions of a dead epoch are gone.  Answers OK. */
extern const char  ls_store_script_forget[];

/* <id>: a dead epoch is done with if nothing is left of it. */
extern const char  ls_store_script_bury[];

/*
 * <silent> <server> ...; answers for each: <server> <addrs> <conns> <epochs>,
 * the last a list of <slot>:<epoch>:<server>, empty if it does not live.
 */
extern const char  ls_store_script_online[];

/* <new> <known>: makes new the store's id if it has none, or the known one
 * ("*": any).  Answers its id. */
extern const char  ls_store_script_id[];


#endif /* LS_STORE_SCRIPT_H_INCLUDED */
