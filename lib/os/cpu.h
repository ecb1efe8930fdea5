/* SPDX-License-Identifier: MIT */
/* Hints to the processor that C has no word for; without them all is right, and slower. */
#ifndef MPSC_CPU_H
#define MPSC_CPU_H

/* For the few functions that every message goes through, and for those that they leave it to when it is
 * not that simple: told by its own measures, a compiler makes calls of the first and has room for the
 * second. */
#define CPU_PATH static inline __attribute__((always_inline))
#define CPU_ASIDE __attribute__((noinline))

/* In a loop that waits for another core. */
static inline void cpu_pause(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__ || defined __arm__
    __asm__ volatile("yield");
#endif
}

/* Fetches the line of an address, to be written soon; the address need not be valid. */
static inline void cpu_fetch_to_write(const void *address)
{
#ifdef __x86_64__
    /* What the compiler's own makes of this, unless told that there is such an instruction, fetches
     * for reading. The manuals of those who have not got it call it a no-op. */
    __asm__ volatile("prefetchw (%0)" : : "r"(address));
#else
    __builtin_prefetch(address, 1);
#endif
}

#endif
