#pragma once
// Hashes of what the kernels compute on made-up weights, so that builds for different processors
// can be compared: the Swift tests and the program that runs under an ARM emulator share them.

#include <stdint.h>

typedef struct {
    int32_t type;          // XK_F32 and so on
    int32_t rows;
    int32_t columns;       // a multiple of the type's block
    int32_t count;         // positions: 1 is a GEMV
    uint64_t seed;
} golden_case;

// The cases whose hashes are in Tests/Fixtures/kernel-golden.txt.
int32_t golden_case_count(void);
golden_case golden_case_at(int32_t index);
// A case of random shape.
golden_case golden_random_case(uint64_t seed);

// The line of a case in the file, without the hash; `text` has room for 64 bytes.
void golden_name(const golden_case *item, char *text);

// FNV-1a of the result's bits on a path; 0 if this machine lacks it.
uint64_t golden_multiply_hash(const golden_case *item, int32_t path);

// FNV-1a of the activations and logits of a stage of two layers with weights of this type: nine
// positions in one pass and a tenth by itself. 0 if this machine lacks the path.
uint64_t golden_stage_hash(int32_t type, int32_t path, int32_t threads);

// The same with 8-bit weights and what an architecture has beside Llama's, in the order of the file.
int32_t golden_family_count(void);
const char *golden_family_name(int32_t index);
uint64_t golden_family_hash(int32_t index, int32_t path, int32_t threads);

// The types in the order of the file.
int32_t golden_type_count(void);
int32_t golden_type_at(int32_t index);
const char *golden_type_name(int32_t type);
