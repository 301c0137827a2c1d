// Transcendental functions from IEEE additions, multiplications and divisions alone. The
// polynomials are those of FreeBSD's msun (e_exp.c, e_log.c, k_sin.c, k_cos.c).
#include "internal.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Nearest whole number, ties to even, for |x| < 2^51.
static double nearest(double x) {
    const double shift = 6755399441055744.0;
    return (x + shift) - shift;
}

double xk_exp(double x) {
    if (x != x) return x;
    if (x > 709.0) x = 709.0;
    if (x < -708.0) return 0.0;
    double k = nearest(x * 1.44269504088896338700e+00);
    double high = x - k * 6.93147180369123816490e-01;
    double low = k * 1.90821492927058770002e-10;
    double r = high - low;
    double t = r * r;
    double p = 4.13813679705723846039e-08;
    p = -1.65339022054652515390e-06 + t * p;
    p = 6.61375632143793436117e-05 + t * p;
    p = -2.77777777770155933842e-03 + t * p;
    p = 1.66666666666666019037e-01 + t * p;
    double c = r - t * p;
    double y = 1.0 - ((low - (r * c) / (2.0 - c)) - high);
    return double_of(bits_of(y) + ((uint64_t)(int64_t)k << 52));
}

double xk_log(double x) {
    if (!(x > 0.0)) return x == 0.0 ? -__builtin_inf() : __builtin_nan("");
    int64_t shift = 0;
    if (x < 2.2250738585072014e-308) {
        x = x * 18014398509481984.0;
        shift = -54;
    }
    uint64_t bits = bits_of(x);
    if (bits >= 0x7ff0000000000000u) return x;
    int64_t k = (int64_t)(bits >> 52) - 1023;
    double m = double_of((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
    if (m > 1.41421356237309514547) {
        m = m * 0.5;
        k += 1;
    }
    double dk = (double)(k + shift);
    double f = m - 1.0;
    double s = f / (2.0 + f);
    double z = s * s;
    double w = z * z;
    double odd = w * (3.999999999940941908e-01
        + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    double even = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01
        + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    double r = even + odd;
    double half = 0.5 * f * f;
    double low = s * (half + r) + dk * 1.90821492927058770002e-10;
    return dk * 6.93147180369123816490e-01 - ((half - low) - f);
}

void xk_sincos(double x, double *sine, double *cosine) {
    double n = nearest(x * 6.36619772367581382433e-01);
    double y = x - n * 1.57079632673412561417e+00;
    y = y - n * 6.07710050630396597660e-11;
    y = y - n * 2.02226624879595063154e-21;
    double z = y * y;
    double s = 1.58969099521155010221e-10;
    s = -2.50507602534068634195e-08 + z * s;
    s = 2.75573137070700676789e-06 + z * s;
    s = -1.98412698298579493134e-04 + z * s;
    s = 8.33333333332248946124e-03 + z * s;
    s = -1.66666666666666324348e-01 + z * s;
    s = y + (y * z) * s;
    double c = -1.13596475577881948265e-11;
    c = 2.08757232129817482790e-09 + z * c;
    c = -2.75573143513906633035e-07 + z * c;
    c = 2.48015872894767294178e-05 + z * c;
    c = -1.38888888888741095749e-03 + z * c;
    c = 4.16666666666666019037e-02 + z * c;
    c = 1.0 - (0.5 * z - (z * z) * c);
    switch ((int64_t)n & 3) {
    case 0: *sine = s; *cosine = c; break;
    case 1: *sine = c; *cosine = -s; break;
    case 2: *sine = -s; *cosine = -c; break;
    default: *sine = -c; *cosine = s; break;
    }
}

float xk_half_to_float(uint16_t half) { return half_to_float(half); }

float xk_exp_single(float x) { return exp_single_scalar(x); }

uint16_t xk_float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = (bits >> 16) & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (bits >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);
    uint32_t exponent = bits >> 23;
    if (exponent < 102) return (uint16_t)sign;
    uint32_t kept;
    uint32_t shift = 13;
    if (exponent < 113) {
        shift = 126 - exponent;
        bits = (bits & 0x7fffffu) | 0x800000u;
        kept = bits >> shift;
    } else {
        kept = (bits >> 13) - (112u << 10);
    }
    uint32_t half = 1u << (shift - 1);
    uint32_t rest = bits & ((1u << shift) - 1);
    if (rest > half || (rest == half && (kept & 1))) kept += 1;
    return (uint16_t)(sign | kept);
}

int32_t xk_all_finite(const float *values, size_t count) {
    uint32_t bad = 0;
    for (size_t index = 0; index < count; index++) {
        uint32_t bits;
        memcpy(&bits, &values[index], sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return bad == 0;
}
