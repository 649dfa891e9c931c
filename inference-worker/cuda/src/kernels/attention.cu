// Attention over a cache of pages. A page holds 64 positions of all layers: for each layer and key-value head first the
// keys, head_dim x 64, then the values, 64 x head_dim. Row r of the batch is at `positions[r]` of a sequence whose pages
// are `pages[tables[r]]` and on.

#define HEADS_AT_ONCE 8

struct Shape {
    unsigned heads, kv_heads, head_dim, layer;
};

DEVICE float* block_of(const u64* pages, Shape s, unsigned table, unsigned page, unsigned kv_head) {
    float* base = (float*)pages[table + page];
    return base + ((u64)s.layer * s.kv_heads + kv_head) * 2 * s.head_dim * BLOCK;
}

// Rotates queries in place and writes rotated keys, and values, to the cache. A row of x holds queries, keys, values.
extern "C" __global__ void rope_and_cache(float* x, unsigned heads, unsigned kv_heads, unsigned head_dim,
                                          unsigned layer, const float* cos, const float* sin, const unsigned* positions,
                                          const unsigned* tables, const u64* pages) {
    Shape s = {heads, kv_heads, head_dim, layer};
    unsigned row = blockIdx.x, half = head_dim / 2, position = positions[row];
    unsigned page = position / BLOCK, at = position % BLOCK;
    x += (u64)row * (heads + 2 * kv_heads) * head_dim;
    cos += (u64)position * half;
    sin += (u64)position * half;
    for (unsigned i = threadIdx.x; i < (heads + kv_heads) * half; i += blockDim.x) {
        unsigned head = i / half, j = i % half;
        float* target = x + head * head_dim;
        float a = target[j], b = target[j + half];
        float first = __fmaf_rn(a, cos[j], -__fmul_rn(b, sin[j]));
        float second = __fmaf_rn(b, cos[j], __fmul_rn(a, sin[j]));
        if (head < heads) {
            target[j] = first;
            target[j + half] = second;
        } else {
            float* keys = block_of(pages, s, tables[row], page, head - heads);
            keys[j * BLOCK + at] = first;
            keys[(j + half) * BLOCK + at] = second;
        }
    }
    const float* from = x + (heads + kv_heads) * head_dim;
    for (unsigned i = threadIdx.x; i < kv_heads * head_dim; i += blockDim.x) {
        unsigned head = i / head_dim, d = i % head_dim;
        float* values = block_of(pages, s, tables[row], page, head) + head_dim * BLOCK;
        values[at * head_dim + d] = from[i];
    }
}

// Scores of one page, one key-value head and one row: one thread per position, dimensions in order.
extern "C" __global__ void scores(const float* x, unsigned heads, unsigned kv_heads, unsigned head_dim, unsigned layer,
                                  float scale, unsigned first_row, const unsigned* positions, const unsigned* tables,
                                  const u64* pages, float* out, unsigned pages_most) {
    SHARED(shared);
    float* queries = (float*)shared;
    Shape s = {heads, kv_heads, head_dim, layer};
    unsigned page = blockIdx.x, kv_head = blockIdx.y, row = first_row + blockIdx.z;
    if (page * BLOCK > positions[row]) return;
    unsigned group = heads / kv_heads, position = page * BLOCK + threadIdx.x;
    const float* keys = block_of(pages, s, tables[row], page, kv_head) + threadIdx.x;
    x += (u64)row * (heads + 2 * kv_heads) * head_dim + kv_head * group * head_dim;
    for (unsigned from = 0; from < group; from += HEADS_AT_ONCE) {
        unsigned count = group - from < HEADS_AT_ONCE ? group - from : HEADS_AT_ONCE;
        __syncthreads();
        for (unsigned i = threadIdx.x; i < count * head_dim; i += blockDim.x) queries[i] = x[from * head_dim + i];
        __syncthreads();
        float sums[HEADS_AT_ONCE];
#pragma unroll
        for (unsigned g = 0; g < HEADS_AT_ONCE; g++) sums[g] = 0.0f;
        for (unsigned d = 0; d < head_dim; d++) {
            float key = keys[d * BLOCK];
#pragma unroll
            for (unsigned g = 0; g < HEADS_AT_ONCE; g++)
                if (g < count) sums[g] = __fmaf_rn(queries[g * head_dim + d], key, sums[g]);
        }
        if (position <= positions[row]) {
#pragma unroll
            for (unsigned g = 0; g < HEADS_AT_ONCE; g++)
                if (g < count) {
                    u64 head = (u64)blockIdx.z * heads + kv_head * group + from + g;
                    out[head * pages_most * BLOCK + position] = __fmul_rn(sums[g], scale);
                }
        }
    }
}

// Softmax of one head and one row, in place: the maximum of the whole row first.
extern "C" __global__ void softmax(float* x, unsigned first_row, const unsigned* positions, unsigned pages_most,
                                   unsigned* faults, unsigned operation) {
    SHARED(shared);
    unsigned row = first_row + blockIdx.y, n = positions[row] + 1;
    x += ((u64)blockIdx.y * gridDim.x + blockIdx.x) * pages_most * BLOCK;
    int key = (int)0x80000000, bits = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        int size = (int)magnitude(x[i]), own = ordered(x[i]);
        bits = size > bits ? size : bits;
        key = own > key ? own : key;
    }
    if ((unsigned)block_max(bits, shared) >= INFINITE) {
        if (threadIdx.x == 0) note(faults, row, operation, FAULT_SCORE);
        return;
    }
    float most = unordered(block_max(key, shared));
    auto power = [&](unsigned i) {
        float e = exponential(__fsub_rn(x[i], most));
        x[i] = e;
        return e;
    };
    float total = by_lanes(n, shared, power, add_step);
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) x[i] = __fdiv_rn(x[i], total);
}

// Weighted values of one page, one key-value head and one row: one thread per dimension, positions in order.
extern "C" __global__ void weighted(const float* weights, unsigned heads, unsigned kv_heads, unsigned head_dim,
                                    unsigned layer, unsigned first_row, const unsigned* positions,
                                    const unsigned* tables, const u64* pages, float* parts, unsigned pages_most) {
    Shape s = {heads, kv_heads, head_dim, layer};
    unsigned page = blockIdx.x, kv_head = blockIdx.y, row = first_row + blockIdx.z, at = page * BLOCK;
    if (at > positions[row]) return;
    unsigned group = heads / kv_heads, left = positions[row] + 1 - at, count = left < BLOCK ? left : BLOCK;
    const float* values = block_of(pages, s, tables[row], page, kv_head) + head_dim * BLOCK;
    u64 first_head = (u64)blockIdx.z * heads + kv_head * group;
    for (unsigned d = threadIdx.x; d < head_dim; d += blockDim.x)
        for (unsigned from = 0; from < group; from += HEADS_AT_ONCE) {
            float sums[HEADS_AT_ONCE];
#pragma unroll
            for (unsigned g = 0; g < HEADS_AT_ONCE; g++) sums[g] = 0.0f;
            for (unsigned i = 0; i < count; i++) {
                float value = values[i * head_dim + d];
#pragma unroll
                for (unsigned g = 0; g < HEADS_AT_ONCE; g++)
                    if (from + g < group) {
                        float weight = weights[(first_head + from + g) * pages_most * BLOCK + at + i];
                        sums[g] = __fmaf_rn(weight, value, sums[g]);
                    }
            }
#pragma unroll
            for (unsigned g = 0; g < HEADS_AT_ONCE; g++)
                if (from + g < group) parts[((first_head + from + g) * pages_most + page) * head_dim + d] = sums[g];
        }
}

// Adds the pages' sums, ascending, and quantises the row of all heads.
extern "C" __global__ void combine(const float* parts, unsigned heads, unsigned head_dim, unsigned first_row,
                                   const unsigned* positions, unsigned pages_most, float* out, unsigned stride,
                                   signed char* high, unsigned char* low, float* scales, unsigned* faults,
                                   unsigned operation) {
    SHARED(shared);
    unsigned row = first_row + blockIdx.x, n = heads * head_dim, pages = positions[row] / BLOCK + 1;
    out += (u64)row * n;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        u64 head = (u64)blockIdx.x * heads + i / head_dim;
        const float* part = parts + head * pages_most * head_dim + i % head_dim;
        float sum = 0.0f;
        for (unsigned page = 0; page < pages; page++) sum = __fadd_rn(sum, part[page * head_dim]);
        out[i] = sum;
    }
    quantise_row(n, stride, [&](unsigned i) { return out[i]; }, high, low, scales, row, faults, operation, shared);
}
