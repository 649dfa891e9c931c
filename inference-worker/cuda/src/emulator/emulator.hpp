// Runs the kernels on an ordinary processor, to test their logic: every thread of a block is a coroutine, threads run
// in ascending or descending order (it changes from launch to launch) and meet at barriers. Tensor-core instructions
// are emulated by the layout that PTX documents. One block at a time; nothing here is fast.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>

#if !defined(__x86_64__)
#error "the emulator switches stacks in x86-64 assembly"
#endif

#define __global__
#define __device__ static
#define __forceinline__ inline
#define __align__(n) __attribute__((aligned(n)))
#define DEVICE static inline
#define SHARED(name) unsigned char* name = emulator::shared
#define __launch_bounds__(n)

struct alignas(16) int4 {
    int x, y, z, w;
};

struct Index {
    unsigned x, y, z;
};

namespace emulator {

constexpr size_t STACK = 64 << 10;
constexpr unsigned THREADS_MOST = 1024;

struct Thread {
    void* stack_pointer = nullptr;
    char* stack = nullptr;
    Index index{};
    bool done = true;
    unsigned block_seen = 0, warp_seen = 0;
};

struct Group {
    unsigned live = 0, waiting = 0, generation = 0;
};

static Thread threads[THREADS_MOST];
static Group block, warps[THREADS_MOST / 32];
static uint32_t exchange[THREADS_MOST][8];
static Thread* current = nullptr;
static void* scheduler = nullptr;
static unsigned char* shared = nullptr;
static Index block_index, block_size, grid_size;
static void (*body)(void*) = nullptr;
static void* argument = nullptr;

extern "C" void noema_switch(void** save, void* load);
__asm__(".text\n.globl noema_switch\n.hidden noema_switch\nnoema_switch:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");

static void yield() { noema_switch(&current->stack_pointer, scheduler); }

static void wait(Group& group) {
    unsigned generation = group.generation;
    group.waiting++;
    while (group.generation == generation) {
        // A thread that has ended no longer counts: whoever looks last opens the barrier.
        if (group.waiting >= group.live) {
            group.waiting = 0;
            group.generation++;
            return;
        }
        yield();
    }
}

static unsigned self() { return current->index.x; }
static Group& my_warp() { return warps[self() / 32]; }

static void start() {
    body(argument);
    current->done = true;
    block.live--;
    my_warp().live--;
    yield();
    abort();
}

static void run_block(bool descending) {
    unsigned count = block_size.x;
    block = Group{count, 0, 0};
    for (unsigned i = 0; i < count; i++) {
        Thread& thread = threads[i];
        if (thread.stack == nullptr) thread.stack = static_cast<char*>(aligned_alloc(16, STACK));
        thread.index = Index{i, 0, 0};
        thread.done = false;
        void** top = reinterpret_cast<void**>(thread.stack + STACK) - 2;
        top[1] = nullptr;
        top[0] = reinterpret_cast<void*>(&start);
        for (int r = 0; r < 6; r++) *--top = nullptr;
        thread.stack_pointer = top;
        if (i % 32 == 0) warps[i / 32] = Group{count - i < 32 ? count - i : 32, 0, 0};
    }
    for (bool left = true; left;) {
        left = false;
        for (unsigned i = 0; i < count; i++) {
            Thread& thread = threads[descending ? count - 1 - i : i];
            if (thread.done) continue;
            left = true;
            current = &thread;
            noema_switch(&scheduler, thread.stack_pointer);
        }
    }
}

template <class... A>
struct Call {
    void (*kernel)(A...);
    std::tuple<A...> arguments;
    static void run(void* self) {
        auto* call = static_cast<Call*>(self);
        std::apply(call->kernel, call->arguments);
    }
};

template <class T>
static T decode(const uint64_t*& slots) {
    T value;
    static_assert(sizeof(T) <= sizeof(uint64_t));
    memcpy(&value, slots++, sizeof(T));
    return value;
}

// Arguments come as one 64-bit slot each. False if there is another number of them.
template <class... A>
static bool launch(void (*kernel)(A...), const uint64_t* slots, unsigned count, const unsigned* grid, unsigned threads,
                   unsigned bytes) {
    if (count != sizeof...(A) || threads == 0 || threads > THREADS_MOST || threads % 32 != 0) return false;
    static unsigned launches = 0;
    const uint64_t* next = slots;
    // Braces keep the order of evaluation.
    Call<A...> call{kernel, std::tuple<A...>{decode<A>(next)...}};
    body = &Call<A...>::run;
    argument = &call;
    grid_size = Index{grid[0], grid[1], grid[2]};
    block_size = Index{threads, 1, 1};
    // 64 bytes behind what was asked for must stay as they are.
    std::vector<uint64_t> memory((bytes + 64 + 63) / 8 + 8);
    shared = reinterpret_cast<unsigned char*>((reinterpret_cast<uintptr_t>(memory.data()) + 15) & ~uintptr_t(15));
    bool whole = true;
    bool descending = launches++ % 2 == 1;
    for (unsigned z = 0; z < grid[2]; z++)
        for (unsigned y = 0; y < grid[1]; y++)
            for (unsigned x = 0; x < grid[0]; x++) {
                block_index = Index{x, y, z};
                memset(shared, 0xff, bytes + 64); // NaN, until it is written
                run_block(descending);
                for (unsigned i = 0; i < 64; i++) whole = whole && shared[bytes + i] == 0xff;
            }
    if (!whole) fprintf(stderr, "a kernel wrote behind its shared memory\n");
    return whole;
}

} // namespace emulator

#define threadIdx (emulator::current->index)
#define blockIdx (emulator::block_index)
#define blockDim (emulator::block_size)
#define gridDim (emulator::grid_size)

static inline void __syncthreads() { emulator::wait(emulator::block); }

static inline int __shfl_xor_sync(unsigned, int value, int mask) {
    unsigned self = emulator::self();
    memcpy(&emulator::exchange[self][0], &value, 4);
    emulator::wait(emulator::my_warp());
    int other;
    memcpy(&other, &emulator::exchange[self ^ unsigned(mask)][0], 4);
    emulator::wait(emulator::my_warp());
    return other;
}

static inline float __uint_as_float(unsigned bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}
static inline unsigned __float_as_uint(float value) {
    unsigned bits;
    memcpy(&bits, &value, 4);
    return bits;
}
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __ll2float_rn(long long a) { return (float)a; }
static inline float __uint2float_rn(unsigned a) { return (float)a; }

static inline int dot_signed(int w, int q, int sum) {
    for (int i = 0; i < 4; i++) sum += int(int8_t(w >> (8 * i))) * int(int8_t(q >> (8 * i)));
    return sum;
}
static inline int dot_mixed(int w, int q, int sum) {
    for (int i = 0; i < 4; i++) sum += int(int8_t(w >> (8 * i))) * int(uint8_t(q >> (8 * i)));
    return sum;
}

// m16n8k32: lane = 4 * group + member. a[i] holds row group + 8 * (i & 1), columns 4 * member + 16 * (i >> 1) and on;
// b[i] rows 4 * member + 16 * i and on of column group; sums[i] row group + 8 * (i >> 1), column 2 * member + (i & 1).
template <class Byte>
static inline void multiply(int (&sums)[4], const int (&a)[4], const int (&b)[2]) {
    unsigned self = emulator::self(), warp = self & ~31u, lane = self & 31;
    memcpy(&emulator::exchange[self][0], a, 16);
    memcpy(&emulator::exchange[self][4], b, 8);
    emulator::wait(emulator::my_warp());
    unsigned group = lane >> 2, member = lane & 3;
    for (unsigned i = 0; i < 4; i++) {
        unsigned row = group + 8 * (i >> 1), column = 2 * member + (i & 1);
        unsigned sum = unsigned(sums[i]);
        for (unsigned part = 0; part < 8; part++) {
            // Columns 4 * part and on of `a`, rows 4 * part and on of `b`.
            unsigned in_a = emulator::exchange[warp + (row & 7) * 4 + (part & 3)][(row >> 3) + 2 * (part >> 2)];
            unsigned in_b = emulator::exchange[warp + column * 4 + (part & 3)][4 + (part >> 2)];
            for (unsigned byte = 0; byte < 4; byte++)
                sum += unsigned(int(int8_t(in_a >> (8 * byte))) * int(Byte(in_b >> (8 * byte))));
        }
        sums[i] = int(sum);
    }
    emulator::wait(emulator::my_warp());
}
static inline void multiply_signed(int (&sums)[4], const int (&a)[4], const int (&b)[2]) { multiply<int8_t>(sums, a, b); }
static inline void multiply_mixed(int (&sums)[4], const int (&a)[4], const int (&b)[2]) { multiply<uint8_t>(sums, a, b); }
