// How a thread of the engine waits for the others: it looks a few hundred times, some ten
// microseconds, and then lets others have its core, again and again.
//
// Left alone ggml looks for ever. On a machine with more to do than cores that is the very core that
// the others wait for: a step then takes tens of times as long. This is included before ggml's own
// source, whose one use of `_mm_pause` is this wait.
#if defined(__x86_64__)
#include <immintrin.h>
#include <sched.h>

#define PUNA_LOOKS 256

static inline void puna_relax(void) {
    static _Thread_local unsigned looks;
    __builtin_ia32_pause();
    if (++looks % PUNA_LOOKS == 0) {
        sched_yield();
    }
}

#define _mm_pause() puna_relax()
#endif
