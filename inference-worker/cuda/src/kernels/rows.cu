// Operations on the rows of a batch: one block per row, unless said otherwise.

extern "C" __global__ void embed(const signed char* weights, const float* scales, unsigned hidden, unsigned stride,
                                 const unsigned* tokens, float* x) {
    u64 token = tokens[blockIdx.x];
    for (unsigned i = threadIdx.x; i < hidden; i += blockDim.x)
        x[(u64)blockIdx.x * hidden + i] = __fmul_rn((float)weights[token * stride + i], scales[token]);
}

// Adds one vector to each row.
extern "C" __global__ void add_bias(float* x, const float* bias, unsigned n) {
    x += (u64)blockIdx.x * n;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) x[i] = __fadd_rn(x[i], bias[i]);
}

extern "C" __global__ void quantise(const float* x, unsigned n, unsigned stride, signed char* high, unsigned char* low,
                                    float* scales, unsigned* faults, unsigned operation) {
    SHARED(shared);
    unsigned row = blockIdx.x;
    x += (u64)row * n;
    quantise_row(n, stride, [&](unsigned i) { return x[i]; }, high, low, scales, row, faults, operation, shared);
}

extern "C" __global__ void rms_norm(const float* x, const float* gain, unsigned n, float epsilon, unsigned stride,
                                    signed char* high, unsigned char* low, float* scales, unsigned* faults,
                                    unsigned operation) {
    SHARED(shared);
    unsigned row = blockIdx.x;
    x += (u64)row * n;
    float squares = by_lanes(n, shared, [&](unsigned i) { return x[i]; }, square_step);
    if (!finite(squares)) {
        zero_row(stride, high, low, scales, row);
        if (threadIdx.x == 0) note(faults, row, operation, FAULT_SQUARES);
        return;
    }
    float factor =
        __fdiv_rn(f(0x3f800000u), __fsqrt_rn(__fadd_rn(__fdiv_rn(squares, __uint2float_rn(n)), epsilon)));
    quantise_row(n, stride, [&](unsigned i) { return __fmul_rn(__fmul_rn(x[i], factor), gain[i]); }, high, low, scales,
                 row, faults, operation + 1, shared);
}

extern "C" __global__ void layer_norm(const float* x, const float* gain, const float* bias, unsigned n, float epsilon,
                                      unsigned stride, signed char* high, unsigned char* low, float* scales,
                                      unsigned* faults, unsigned operation) {
    SHARED(shared);
    unsigned row = blockIdx.x;
    x += (u64)row * n;
    float count = __uint2float_rn(n);
    float mean = __fdiv_rn(by_lanes(n, shared, [&](unsigned i) { return x[i]; }, add_step), count);
    float squares = by_lanes(n, shared, [&](unsigned i) { return __fsub_rn(x[i], mean); }, square_step);
    if (!finite(squares)) {
        zero_row(stride, high, low, scales, row);
        if (threadIdx.x == 0) note(faults, row, operation, FAULT_SQUARES);
        return;
    }
    float factor = __fdiv_rn(f(0x3f800000u), __fsqrt_rn(__fadd_rn(__fdiv_rn(squares, count), epsilon)));
    auto value = [&](unsigned i) { return __fmaf_rn(__fmul_rn(__fsub_rn(x[i], mean), factor), gain[i], bias[i]); };
    quantise_row(n, stride, value, high, low, scales, row, faults, operation + 1, shared);
}

// A row holds n gates, then n values.
extern "C" __global__ void silu(const float* x, unsigned n, unsigned stride, signed char* high, unsigned char* low,
                                float* scales, unsigned* faults, unsigned operation) {
    SHARED(shared);
    unsigned row = blockIdx.x;
    x += (u64)row * 2 * n;
    auto value = [&](unsigned i) { return silu_mul(x[i], x[n + i]); };
    quantise_row(n, stride, value, high, low, scales, row, faults, operation, shared);
}

extern "C" __global__ void gelu_rows(const float* x, unsigned n, unsigned stride, signed char* high, unsigned char* low,
                                     float* scales, unsigned* faults, unsigned operation) {
    SHARED(shared);
    unsigned row = blockIdx.x;
    x += (u64)row * n;
    quantise_row(n, stride, [&](unsigned i) { return gelu(x[i]); }, high, low, scales, row, faults, operation, shared);
}

// Collects quantised rows: row b of the result is row `rows[b]`.
extern "C" __global__ void gather(const unsigned* rows, unsigned stride, const signed char* high,
                                  const unsigned char* low, const float* scales, signed char* to_high,
                                  unsigned char* to_low, float* to_scales) {
    u64 from = rows[blockIdx.x];
    for (unsigned i = threadIdx.x; i < stride; i += blockDim.x) {
        to_high[(u64)blockIdx.x * stride + i] = high[from * stride + i];
        to_low[(u64)blockIdx.x * stride + i] = low[from * stride + i];
    }
    if (threadIdx.x == 0) to_scales[blockIdx.x] = scales[from];
}

// The lowest index of the largest value of each row; 0xffffffff for a row that is not finite.
extern "C" __global__ void argmax(const float* x, unsigned n, unsigned* out) {
    SHARED(shared);
    x += (u64)blockIdx.x * n;
    int most = (int)0x80000000, bits = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        int size = (int)magnitude(x[i]);
        bits = size > bits ? size : bits;
        // Adding zero makes -0 and +0 one.
        int key = ordered(__fadd_rn(x[i], 0.0f));
        most = key > most ? key : most;
    }
    bool bad = (unsigned)block_max(bits, shared) >= INFINITE;
    most = block_max(most, shared);
    int first = 0;
    for (unsigned i = threadIdx.x; i < n && first == 0; i += blockDim.x)
        if (ordered(__fadd_rn(x[i], 0.0f)) == most) first = (int)(0x7fffffffu - i);
    first = block_max(first, shared);
    if (threadIdx.x == 0) out[blockIdx.x] = bad ? 0xffffffffu : 0x7fffffffu - (unsigned)first;
}
