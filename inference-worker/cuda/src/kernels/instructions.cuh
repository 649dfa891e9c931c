// The few instructions that C++ has no words for. The emulator has the same functions in its own header.

#define DEVICE __device__ __forceinline__
#define SHARED(name) extern __shared__ __align__(16) unsigned char name[]

// sum + w0*q0 + w1*q1 + w2*q2 + w3*q3, all bytes signed.
DEVICE int dot_signed(int w, int q, int sum) {
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(sum) : "r"(w), "r"(q), "r"(sum));
    return sum;
}

// The same with the bytes of q unsigned.
DEVICE int dot_mixed(int w, int q, int sum) {
    asm("dp4a.s32.u32 %0, %1, %2, %3;" : "=r"(sum) : "r"(w), "r"(q), "r"(sum));
    return sum;
}

// sums (16 x 8) += a (16 x 32) * b (32 x 8), exact, spread over a warp as PTX's m16n8k32 says.
DEVICE void multiply_signed(int (&sums)[4], const int (&a)[4], const int (&b)[2]) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// The same with the bytes of b unsigned.
DEVICE void multiply_mixed(int (&sums)[4], const int (&a)[4], const int (&b)[2]) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
