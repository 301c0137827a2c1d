// kernel-golden PATH: the lines of Tests/Fixtures/kernel-golden.txt as this build computes them on
// the path of that number; then compares it with the scalar path on random shapes. `make neon`
// runs it under an emulator.
#include "KernelGolden.h"

#include "CKernels.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    int32_t path = count > 1 ? atoi(arguments[1]) : XK_PATH_SCALAR;
    golden_case item = golden_case_at(0);
    if (golden_multiply_hash(&item, path) == 0) {
        fprintf(stderr, "this machine lacks path %d\n", (int)path);
        return 2;
    }
    for (int32_t index = 0; index < golden_case_count(); index++) {
        char name[64];
        item = golden_case_at(index);
        golden_name(&item, name);
        printf("%s %016llx\n", name, (unsigned long long)golden_multiply_hash(&item, path));
    }
    for (int32_t index = 0; index < golden_type_count(); index++) {
        int32_t type = golden_type_at(index);
        printf(
            "%s stage %016llx\n", golden_type_name(type),
            (unsigned long long)golden_stage_hash(type, path, 2));
    }
    for (int32_t index = 0; index < golden_family_count(); index++) {
        printf(
            "%s stage %016llx\n", golden_family_name(index),
            (unsigned long long)golden_family_hash(index, path, 2));
    }
    for (uint64_t seed = 1; seed <= 300; seed++) {
        item = golden_random_case(seed);
        if (golden_multiply_hash(&item, path) != golden_multiply_hash(&item, XK_PATH_SCALAR)) {
            char name[64];
            golden_name(&item, name);
            fprintf(stderr, "differs from the scalar path: %s, seed %d\n", name, (int)seed);
            return 1;
        }
    }
    return 0;
}
