#pragma once
#include <sys/types.h>

/* What Linux offers only through variadic calls and GNU structs, which Swift cannot use. */

/* Lets nobody look into this process any more: no core dump, and no other process of the same user
   may attach or read its memory. 0, or -1 if the system refuses. */
int exq_close_to_dumps(void);

/* The user at the other end of a Unix socket, as the kernel knows it. 0, or -1. */
int exq_peer_user(int socket, uid_t *user);

/* Has an epoll queue (of epoll_create1) say `place` when the socket has something to read. 0, or -1. */
int exq_watch(int queue, int socket, int place);

/* Waits until watched sockets have something to read; gives how many, at most `limit`, and their
   places. 0 after so many milliseconds. */
int exq_wait(int queue, int *places, int limit, int milliseconds);

/* A new epoll queue, to be closed like a file, or -1. */
int exq_queue(void);
