#define _GNU_SOURCE
#include "CHost.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

int exq_close_to_dumps(void) {
    struct rlimit none = {0, 0};
    int refused = setrlimit(RLIMIT_CORE, &none);
    /* A core pattern that is a pipe does not ask for the limit, but for this. */
    refused |= prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? refused : -1;
}

int exq_peer_user(int socket, uid_t *user) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
    *user = peer.uid;
    return 0;
}

int exq_queue(void) { return epoll_create1(EPOLL_CLOEXEC); }

int exq_watch(int queue, int socket, int place) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = place};
    return epoll_ctl(queue, EPOLL_CTL_ADD, socket, &event);
}

int exq_wait(int queue, int *places, int limit, int milliseconds) {
    struct epoll_event events[256];
    int count;
    do {
        count = epoll_wait(queue, events, limit < 256 ? limit : 256, milliseconds);
    } while (count < 0 && errno == EINTR);
    for (int i = 0; i < count; i++) places[i] = events[i].data.fd;
    return count < 0 ? 0 : count;
}
