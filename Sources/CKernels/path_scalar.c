// The path every machine has.
#define NAME(x) x##_scalar
#define TARGET
#define PATH XK_PATH_SCALAR
#include "body.h"

float exp_single_scalar(float x) {
    float values[8] = {x, x, x, x, x, x, x, x};
    exp_all_scalar(values, 8);
    return values[0];
}
