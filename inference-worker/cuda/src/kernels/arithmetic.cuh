// What all kernels share: constants, the exponential, the sum rule, maxima, quantisation.
// Every float operation is an intrinsic with its rounding in its name: nothing is left to the compiler.

typedef unsigned long long u64;

#define BLOCK 64       // positions of one block of the key-value cache
#define LANES 16       // virtual lanes of a sum
#define CHUNK 2048     // values of a sum that wait in shared memory; a multiple of every block size and of LANES
#define REDUCE_BYTES ((CHUNK + LANES) * 4 + 32 * 4)  // shared memory of the functions below

#define INFINITE 0x7f800000u
#define MAGNITUDE 0x7fffffffu
#define TINY 0x0da24260u  // 1e-30
#define ROUND 0x4b400000u // 1.5 * 2^23

// Kinds of faults, in the lowest three bits of a fault's code; above them the number of the operation.
#define FAULT_SQUARES 1u
#define FAULT_ACTIVATION 2u
#define FAULT_SCORE 3u

DEVICE float f(unsigned bits) { return __uint_as_float(bits); }

DEVICE unsigned magnitude(float x) { return __float_as_uint(x) & MAGNITUDE; }

// Integers in the order of the finite floats they come from, -0 just below +0.
DEVICE int ordered(float x) {
    int bits = (int)__float_as_uint(x);
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

DEVICE float unordered(int key) { return __uint_as_float((unsigned)(key ^ ((key >> 31) & 0x7fffffff))); }

DEVICE float exponential(float x) {
    x = x > f(0xc2ae0000u) ? x : f(0xc2ae0000u);
    x = x < f(0x42b00000u) ? x : f(0x42b00000u);
    float shifted = __fmaf_rn(x, f(0x3fb8aa3bu), f(ROUND));
    float n = __fsub_rn(shifted, f(ROUND));
    float r = __fmaf_rn(n, f(0xbf317200u), x);
    r = __fmaf_rn(n, f(0xb5bfbe8eu), r);
    float p = f(0x39500d01u);
    p = __fmaf_rn(p, r, f(0x3ab60b61u));
    p = __fmaf_rn(p, r, f(0x3c088889u));
    p = __fmaf_rn(p, r, f(0x3d2aaaabu));
    p = __fmaf_rn(p, r, f(0x3e2aaaabu));
    p = __fmaf_rn(p, r, f(0x3f000000u));
    p = __fmaf_rn(p, r, f(0x3f800000u));
    p = __fmaf_rn(p, r, f(0x3f800000u));
    return __fmul_rn(p, f((__float_as_uint(shifted) << 23) + 0x3f800000u));
}

DEVICE float silu_mul(float gate, float up) {
    float share = __fadd_rn(f(0x3f800000u), exponential(-gate));
    return __fmul_rn(__fdiv_rn(gate, share), up);
}

DEVICE float gelu(float x) {
    float z = __fmul_rn(f(magnitude(x)), f(0x3f3504f3u));
    float t = __fdiv_rn(f(0x3f800000u), __fmaf_rn(z, f(0x3ea7ba05u), f(0x3f800000u)));
    float p = f(0x3f87dc22u);
    p = __fmaf_rn(p, t, f(0xbfba00e3u));
    p = __fmaf_rn(p, t, f(0x3fb5f0e3u));
    p = __fmaf_rn(p, t, f(0xbe91a98eu));
    p = __fmaf_rn(p, t, f(0x3e827906u));
    float tail = __fmul_rn(__fmul_rn(__fmul_rn(p, t), exponential(-__fmul_rn(z, z))), f(0x3f000000u));
    return __fmul_rn(x, x >= 0.0f ? __fsub_rn(f(0x3f800000u), tail) : tail);
}

// The largest of one integer per thread, known to all threads. `shared` holds REDUCE_BYTES.
DEVICE int block_max(int value, unsigned char* shared) {
    int* warps = (int*)(shared + (CHUNK + LANES) * 4);
    for (int offset = 16; offset > 0; offset >>= 1) {
        int other = __shfl_xor_sync(0xffffffffu, value, offset);
        value = other > value ? other : value;
    }
    __syncthreads();
    if ((threadIdx.x & 31) == 0) warps[threadIdx.x >> 5] = value;
    __syncthreads();
    for (unsigned warp = 0; warp < blockDim.x >> 5; warp++) value = warps[warp] > value ? warps[warp] : value;
    return value;
}

// The sum rule over n values: lane i mod 16 takes value i by `step`, ascending; then lanes pairwise 8, 4, 2, 1.
// A thread asks for the values whose index is its own modulo the size of the block.
template <class Value, class Step>
DEVICE float by_lanes(unsigned n, unsigned char* shared, Value value, Step step) {
    float* staged = (float*)shared;
    float* lanes = staged + CHUNK;
    float lane = 0.0f;
    for (unsigned from = 0; from < n; from += CHUNK) {
        unsigned count = n - from < CHUNK ? n - from : CHUNK;
        __syncthreads();
        for (unsigned i = threadIdx.x; i < count; i += blockDim.x) staged[i] = value(from + i);
        __syncthreads();
        if (threadIdx.x < LANES)
            for (unsigned i = threadIdx.x; i < count; i += LANES) lane = step(lane, staged[i]);
    }
    if (threadIdx.x < LANES) lanes[threadIdx.x] = lane;
    for (unsigned width = LANES / 2; width > 0; width >>= 1) {
        __syncthreads();
        if (threadIdx.x < width) lanes[threadIdx.x] = __fadd_rn(lanes[threadIdx.x], lanes[threadIdx.x + width]);
    }
    __syncthreads();
    return lanes[0];
}

DEVICE float add_step(float lane, float value) { return __fadd_rn(lane, value); }
DEVICE float square_step(float lane, float value) { return __fmaf_rn(value, value, lane); }

// Notes the first fault of a row. All who may note one at the same time note the same.
DEVICE void note(unsigned* faults, unsigned row, unsigned operation, unsigned kind) {
    if (faults[row] == 0) faults[row] = operation << 3 | kind;
}

// 16-bit quantisation of one row, split as q = 256 * high + low with low in 0..255; zeros up to the stride.
// A row that is not finite is noted and counts as zeros.
template <class Value>
DEVICE void quantise_row(unsigned n, unsigned stride, Value value, signed char* high, unsigned char* low, float* scales,
                         unsigned row, unsigned* faults, unsigned operation, unsigned char* shared) {
    unsigned own = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        unsigned bits = magnitude(value(i));
        own = bits > own ? bits : own;
    }
    unsigned most = (unsigned)block_max((int)own, shared);
    bool bad = most >= INFINITE;
    bool none = bad || f(most) < f(TINY);
    float scale = none ? 0.0f : __fdiv_rn(f(most), 32767.0f);
    high += (u64)row * stride;
    low += (u64)row * stride;
    for (unsigned i = threadIdx.x; i < stride; i += blockDim.x) {
        int q = 0;
        if (!none && i < n) {
            q = (int)__float_as_uint(__fadd_rn(__fdiv_rn(value(i), scale), f(ROUND))) - (int)ROUND;
            q = q > 32767 ? 32767 : q < -32767 ? -32767 : q;
        }
        high[i] = (signed char)(q >> 8);
        low[i] = (unsigned char)(q & 255);
    }
    if (threadIdx.x == 0) {
        scales[row] = scale;
        if (bad) note(faults, row, operation, FAULT_ACTIVATION);
    }
}

// A row whose norm failed counts as zeros.
DEVICE void zero_row(unsigned stride, signed char* high, unsigned char* low, float* scales, unsigned row) {
    for (unsigned i = threadIdx.x; i < stride; i += blockDim.x) {
        high[(u64)row * stride + i] = 0;
        low[(u64)row * stride + i] = 0;
    }
    if (threadIdx.x == 0) scales[row] = 0.0f;
}

DEVICE bool finite(float x) { return magnitude(x) < INFINITE; }
