// Exact products of 8-bit weights and 16-bit activations, the latter as q = 256 * high + low.
// Both sums fit 32 bits: 128 * 127 * K and 255 * 127 * K are below 2^31 for K <= 65,793.
// Rows of weights and activations are padded with zeros to a stride that is a multiple of 64 bytes.

// One rounding, then the token's scale, then the row's.
DEVICE void store(float* out, u64 at, int high, int low, float q_scale, float scale, unsigned accumulate) {
    long long exact = (long long)high * 256 + low;
    float y = __fmul_rn(__fmul_rn(__ll2float_rn(exact), q_scale), scale);
    out[at] = accumulate ? __fadd_rn(out[at], y) : y;
}

#define FEW_ROWS 2

// T tokens; each warp has two rows.
template <int T>
DEVICE void few(const signed char* weights, const float* scales, unsigned count, unsigned stride, const signed char* high,
                const unsigned char* low, const float* q_scales, float* out, unsigned accumulate) {
    unsigned lane = threadIdx.x & 31;
    unsigned row = (blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5)) * FEW_ROWS;
    if (row >= count) return;
    unsigned second = row + 1 < count ? row + 1 : row;
    const signed char* lines[FEW_ROWS] = {weights + (u64)row * stride, weights + (u64)second * stride};
    int highs[FEW_ROWS][T], lows[FEW_ROWS][T];
    for (int r = 0; r < FEW_ROWS; r++)
        for (int t = 0; t < T; t++) highs[r][t] = lows[r][t] = 0;
#pragma unroll 2
    for (unsigned at = lane * 16; at < stride; at += 512) {
        int4 w[FEW_ROWS];
#pragma unroll
        for (int r = 0; r < FEW_ROWS; r++) w[r] = *(const int4*)(lines[r] + at);
#pragma unroll
        for (int t = 0; t < T; t++) {
            int4 h = *(const int4*)(high + t * stride + at);
            int4 l = *(const int4*)(low + t * stride + at);
#pragma unroll
            for (int r = 0; r < FEW_ROWS; r++) {
                highs[r][t] = dot_signed(w[r].x, h.x, highs[r][t]);
                highs[r][t] = dot_signed(w[r].y, h.y, highs[r][t]);
                highs[r][t] = dot_signed(w[r].z, h.z, highs[r][t]);
                highs[r][t] = dot_signed(w[r].w, h.w, highs[r][t]);
                lows[r][t] = dot_mixed(w[r].x, l.x, lows[r][t]);
                lows[r][t] = dot_mixed(w[r].y, l.y, lows[r][t]);
                lows[r][t] = dot_mixed(w[r].z, l.z, lows[r][t]);
                lows[r][t] = dot_mixed(w[r].w, l.w, lows[r][t]);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < FEW_ROWS; r++)
#pragma unroll
        for (int t = 0; t < T; t++) {
            int h = highs[r][t], l = lows[r][t];
            for (int offset = 16; offset > 0; offset >>= 1) {
                h += __shfl_xor_sync(0xffffffffu, h, offset);
                l += __shfl_xor_sync(0xffffffffu, l, offset);
            }
            if (lane == 0 && row + r < count)
                store(out, (u64)t * count + row + r, h, l, q_scales[t], scales[row + r], accumulate);
        }
}

#define FEW(name, tokens)                                                                                              \
    extern "C" __global__ void name(const signed char* weights, const float* scales, unsigned count, unsigned stride,  \
                                    const signed char* high, const unsigned char* low, const float* q_scales,          \
                                    float* out, unsigned accumulate) {                                                 \
        few<tokens>(weights, scales, count, stride, high, low, q_scales, out, accumulate);                             \
    }

FEW(product_1, 1)
FEW(product_2, 2)
FEW(product_3, 3)
FEW(product_4, 4)

// Many tokens: tiles of 128 rows and 64 tokens, 64 inputs at a time; eight warps of 32 rows and 32 tokens each.
#define TILE_ROWS 128
#define TILE_TOKENS 64
#define TILE_INPUTS 64
#define PITCH 80 // bytes between rows in shared memory: no two lanes of a fragment meet in a bank

extern "C" __global__ void product_many(const signed char* weights, const float* scales, unsigned count, unsigned stride,
                                        const signed char* high, const unsigned char* low, const float* q_scales,
                                        unsigned tokens, float* out, unsigned accumulate) {
    SHARED(shared);
    unsigned char* weight_tile = shared;
    unsigned char* high_tile = weight_tile + TILE_ROWS * PITCH;
    unsigned char* low_tile = high_tile + TILE_TOKENS * PITCH;
    unsigned first_row = blockIdx.x * TILE_ROWS, first_token = blockIdx.y * TILE_TOKENS;
    // What this thread fetches: 16 bytes of two rows and of one token. Past the end the last one stands in.
    unsigned line = threadIdx.x >> 2, part = (threadIdx.x & 3) * 16;
    unsigned row_a = first_row + line < count ? first_row + line : count - 1;
    unsigned row_b = first_row + line + 64 < count ? first_row + line + 64 : count - 1;
    unsigned token = first_token + line < tokens ? first_token + line : tokens - 1;
    const signed char* from_a = weights + (u64)row_a * stride + part;
    const signed char* from_b = weights + (u64)row_b * stride + part;
    const signed char* from_high = high + (u64)token * stride + part;
    const unsigned char* from_low = low + (u64)token * stride + part;

    unsigned lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    unsigned group = lane >> 2, member = lane & 3;
    unsigned warp_row = (warp & 3) * 32, warp_token = (warp >> 2) * 32;
    int highs[2][4][4], lows[2][4][4];
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int n = 0; n < 4; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) highs[m][n][i] = lows[m][n][i] = 0;

    int4 next_a = *(const int4*)from_a, next_b = *(const int4*)from_b;
    int4 next_high = *(const int4*)from_high, next_low = *(const int4*)from_low;
    for (unsigned k = 0; k < stride; k += TILE_INPUTS) {
        __syncthreads();
        *(int4*)(weight_tile + line * PITCH + part) = next_a;
        *(int4*)(weight_tile + (line + 64) * PITCH + part) = next_b;
        *(int4*)(high_tile + line * PITCH + part) = next_high;
        *(int4*)(low_tile + line * PITCH + part) = next_low;
        __syncthreads();
        if (k + TILE_INPUTS < stride) {
            next_a = *(const int4*)(from_a + k + TILE_INPUTS);
            next_b = *(const int4*)(from_b + k + TILE_INPUTS);
            next_high = *(const int4*)(from_high + k + TILE_INPUTS);
            next_low = *(const int4*)(from_low + k + TILE_INPUTS);
        }
#pragma unroll
        for (int at = 0; at < TILE_INPUTS; at += 32) {
            int a[2][4];
#pragma unroll
            for (int m = 0; m < 2; m++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    a[m][i] = *(const int*)(weight_tile + (warp_row + m * 16 + group + (i & 1) * 8) * PITCH + at +
                                            member * 4 + (i >> 1) * 16);
#pragma unroll
            for (int n = 0; n < 4; n++) {
                int h[2], l[2];
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    unsigned from = (warp_token + n * 8 + group) * PITCH + at + member * 4 + i * 16;
                    h[i] = *(const int*)(high_tile + from);
                    l[i] = *(const int*)(low_tile + from);
                }
#pragma unroll
                for (int m = 0; m < 2; m++) {
                    multiply_signed(highs[m][n], a[m], h);
                    multiply_mixed(lows[m][n], a[m], l);
                }
            }
        }
    }
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int n = 0; n < 4; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                unsigned row = first_row + warp_row + m * 16 + group + (i >> 1) * 8;
                unsigned token = first_token + warp_token + n * 8 + member * 2 + (i & 1);
                if (row < count && token < tokens)
                    store(out, (u64)token * count + row, highs[m][n][i], lows[m][n][i], q_scales[token], scales[row],
                          accumulate);
            }
}
