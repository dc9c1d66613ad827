// bytecode: an interpreter in the guest: a switch in a loop over a small program, with a stack and variables. Prints a checksum.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { PUSH, LOAD, STORE, ADD, MUL, XOR, LESS, JUMP_IF, CALL, RETURN, STOP };
// sum = 0; i = 0; do { sum = f(sum ^ i) ; i = i + 1 } while (i < N); f(x) = x * 33 + 7
static const int32_t program[] = {
    PUSH, 0, STORE, 0, PUSH, 0, STORE, 1,
    /* 8 */ LOAD, 0, LOAD, 1, XOR, CALL, 0, STORE, 0, LOAD, 1, PUSH, 1, ADD, STORE, 1, LOAD, 1, LOAD, 2, LESS, JUMP_IF, 8,
    STOP,
};
static const int32_t function[] = {PUSH, 33, MUL, PUSH, 7, ADD, RETURN};

static int64_t run(int64_t rounds) {
    int64_t stack[64], variable[4] = {0, 0, rounds, 0}, *top = stack;
    const int32_t *at = program, *back[16];
    int depth = 0;
    for (;;) switch (*at++) {
        case PUSH: *top++ = *at++; break;
        case LOAD: *top++ = variable[*at++]; break;
        case STORE: variable[*at++] = *--top; break;
        case ADD: top--, top[-1] += *top; break;
        case MUL: top--, top[-1] = (int64_t)((uint64_t)top[-1] * (uint64_t)*top); break;
        case XOR: top--, top[-1] ^= *top; break;
        case LESS: top--, top[-1] = top[-1] < *top; break;
        case JUMP_IF: if (*--top) at = program + *at; else at++; break;
        case CALL: back[depth++] = at + 1, at = function; break;
        case RETURN: at = back[--depth]; break;
        default: return variable[0];
        }
}

int main(int argc, char **argv) {
    int times = argc > 1 ? atoi(argv[1]) : 1;
    uint64_t sum = 0;
    for (int t = 0; t < times; t++) sum = sum * 31 + (uint64_t)run(4000000 + t);
    printf("bytecode checksum %016llx\n", (unsigned long long)sum);
}
