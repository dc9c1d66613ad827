// memory: a program that waits for memory: a random walk over 64 MiB, copies, and a hash table. Prints a checksum.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 64 << 20 >> 3, SLOTS = 1 << 21 };
static uint64_t next = 88172645463325252ull;
static uint64_t any(void) {
    next ^= next << 13, next ^= next >> 7, next ^= next << 17;
    return next;
}

int main(int argc, char **argv) {
    int times = argc > 1 ? atoi(argv[1]) : 1;
    uint64_t *walk = malloc(WORDS * 8ul), *table = calloc(SLOTS, 8), sum = 0;
    for (uint64_t i = 0; i < WORDS; i++) walk[i] = i;
    for (uint64_t i = WORDS - 1; i > 0; i--) {
        uint64_t j = any() % i, t = walk[i];
        walk[i] = walk[j], walk[j] = t;
    }
    for (int t = 0; t < times; t++) {
        uint64_t at = sum % WORDS;
        for (int i = 0; i < 6000000; i++) at = walk[at];
        sum += at;
        for (int i = 0; i < 6; i++) memmove(walk + 1, walk, WORDS * 4ul), sum += walk[7];
        for (int i = 0; i < 4000000; i++) {
            uint64_t key = any() | 1, slot = key * 0x9e3779b97f4a7c15ull >> 43;
            table[slot] = table[slot] ? table[slot] ^ key : key;
        }
        sum += table[5];
    }
    printf("memory checksum %016llx\n", (unsigned long long)sum);
}
