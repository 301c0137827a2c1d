// A fixed set of threads. Work is divided over output rows, heads and positions, never over a sum,
// so the number of threads cannot change a result.
#include "internal.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct pool {
    int32_t threads;
    pthread_t *handles;
    int32_t started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pool_job job;
    void *context;
    int stopping;
    atomic_uint generation;
    // The barrier.
    atomic_int arrived;
    atomic_uint phase;
    atomic_int sleepers;
    pthread_mutex_t barrier_lock;
    pthread_cond_t barrier_wake;
};

typedef struct {
    pool *workers;
    int32_t thread;
} worker;

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

void pool_barrier(pool *workers) {
    if (workers->threads == 1) return;
    unsigned phase = atomic_load_explicit(&workers->phase, memory_order_acquire);
    int arrived = atomic_fetch_add_explicit(&workers->arrived, 1, memory_order_acq_rel) + 1;
    if (arrived == workers->threads) {
        atomic_store_explicit(&workers->arrived, 0, memory_order_relaxed);
        atomic_fetch_add(&workers->phase, 1);
        if (atomic_load(&workers->sleepers) > 0) {
            pthread_mutex_lock(&workers->barrier_lock);
            pthread_cond_broadcast(&workers->barrier_wake);
            pthread_mutex_unlock(&workers->barrier_lock);
        }
        return;
    }
    for (int spin = 0; spin < 1000; spin++) {
        if (atomic_load_explicit(&workers->phase, memory_order_acquire) != phase) return;
        relax();
    }
    pthread_mutex_lock(&workers->barrier_lock);
    atomic_fetch_add(&workers->sleepers, 1);
    while (atomic_load(&workers->phase) == phase) {
        pthread_cond_wait(&workers->barrier_wake, &workers->barrier_lock);
    }
    atomic_fetch_sub(&workers->sleepers, 1);
    pthread_mutex_unlock(&workers->barrier_lock);
}

static void *work(void *argument) {
    worker self = *(worker *)argument;
    free(argument);
    pool *workers = self.workers;
    unsigned seen = 0;
    for (;;) {
        for (int spin = 0; spin < 1000; spin++) {
            if (atomic_load_explicit(&workers->generation, memory_order_acquire) != seen) break;
            relax();
        }
        pthread_mutex_lock(&workers->lock);
        while (atomic_load(&workers->generation) == seen && !workers->stopping) {
            pthread_cond_wait(&workers->wake, &workers->lock);
        }
        int stopping = workers->stopping;
        pool_job job = workers->job;
        void *context = workers->context;
        pthread_mutex_unlock(&workers->lock);
        if (stopping) return NULL;
        seen += 1;
        job(context, self.thread);
        pool_barrier(workers);
    }
}

pool *pool_create(int32_t threads) {
    pool *workers = calloc(1, sizeof *workers);
    if (workers == NULL) return NULL;
    workers->threads = threads;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    pthread_mutex_init(&workers->barrier_lock, NULL);
    pthread_cond_init(&workers->barrier_wake, NULL);
    workers->handles = calloc((size_t)threads, sizeof *workers->handles);
    if (workers->handles == NULL) {
        pool_destroy(workers);
        return NULL;
    }
    for (int32_t thread = 1; thread < threads; thread++) {
        worker *self = malloc(sizeof *self);
        if (self != NULL) {
            self->workers = workers;
            self->thread = thread;
        }
        if (self == NULL || pthread_create(&workers->handles[thread], NULL, work, self) != 0) {
            free(self);
            pool_destroy(workers);
            return NULL;
        }
        workers->started = thread;
    }
    return workers;
}

void pool_destroy(pool *workers) {
    if (workers == NULL) return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = 1;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    for (int32_t thread = 1; thread <= workers->started; thread++) {
        pthread_join(workers->handles[thread], NULL);
    }
    pthread_mutex_destroy(&workers->lock);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->barrier_lock);
    pthread_cond_destroy(&workers->barrier_wake);
    free(workers->handles);
    free(workers);
}

void pool_run(pool *workers, pool_job job, void *context) {
    if (workers->threads > 1) {
        pthread_mutex_lock(&workers->lock);
        workers->job = job;
        workers->context = context;
        atomic_fetch_add(&workers->generation, 1);
        pthread_cond_broadcast(&workers->wake);
        pthread_mutex_unlock(&workers->lock);
    }
    job(context, 0);
    pool_barrier(workers);
}
