#pragma once
#include <sys/types.h>

/* What Linux offers only through variadic calls and GNU structs, which Swift cannot use. */

/* Lets nobody look into this process any more: no core dump, and no other process of the same user
   may attach or read its memory. 0, or -1 if the system refuses. */
int exq_close_to_dumps(void);

/* The user at the other end of a Unix socket, as the kernel knows it. 0, or -1. */
int exq_peer_user(int socket, uid_t *user);
