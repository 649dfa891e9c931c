
// The one entry of the emulator: finds a kernel by its name and runs it. 0: done; 1: no such kernel; 2: wrong arguments
// or a write behind shared memory.
#define TRY(kernel)                                                                                                    \
    if (strcmp(name, #kernel) == 0) return emulator::launch(kernel, slots, count, grid, threads, bytes) ? 0 : 2

extern "C" int noema_launch(const char* name, const uint64_t* slots, unsigned count, const unsigned* grid,
                            unsigned threads, unsigned bytes) {
    TRY(product_1);
    TRY(product_2);
    TRY(product_3);
    TRY(product_4);
    TRY(product_many);
    TRY(embed);
    TRY(add_bias);
    TRY(quantise);
    TRY(rms_norm);
    TRY(layer_norm);
    TRY(silu);
    TRY(gelu_rows);
    TRY(gather);
    TRY(argmax);
    TRY(rope_and_cache);
    TRY(scores);
    TRY(softmax);
    TRY(weighted);
    TRY(combine);
    return 1;
}
