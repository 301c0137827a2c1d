// Working memory for activations.
#include "internal.h"

#include <stdlib.h>

static void *block_of(size_t count, size_t size) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, count * size + 64) != 0) return NULL;
    return memory;
}

int activations_make(activations *target, int32_t columns) {
    target->columns = columns;
    target->blocks = columns / BLOCK;
    size_t numbers = (size_t)BATCH * (size_t)columns;
    size_t blocks = (size_t)BATCH * (size_t)target->blocks;
    target->values = block_of(numbers, sizeof(float));
    target->quants = block_of(numbers, 1);
    target->scales = block_of(blocks, sizeof(float));
    target->sums = block_of(blocks, sizeof(float));
    target->totals = block_of(blocks, sizeof(int32_t));
    target->halves = block_of(blocks, sizeof(int32_t));
    return target->values && target->quants && target->scales && target->sums && target->totals
        && target->halves;
}

void activations_free(activations *target) {
    free(target->values);
    free(target->quants);
    free(target->scales);
    free(target->sums);
    free(target->totals);
    free(target->halves);
}
