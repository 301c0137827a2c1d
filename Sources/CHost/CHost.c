#define _GNU_SOURCE
#include "CHost.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

int exq_close_to_dumps(void) {
    struct rlimit none = {0, 0};
    int refused = setrlimit(RLIMIT_CORE, &none);
    /* A core pattern that is a pipe does not ask for the limit, but for this. */
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) | refused;
}

int exq_peer_user(int socket, uid_t *user) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
    *user = peer.uid;
    return 0;
}
