// float: doubles and floats as numerical programs use them: bodies in motion, a matrix product, a Fourier sum. Prints a checksum.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BODIES = 24, SIDE = 160 };
static double place[BODIES][3], speed[BODIES][3], mass[BODIES];
static float a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

static void move(double dt) {
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            double d[3], r2 = 1e-3;
            for (int k = 0; k < 3; k++) d[k] = place[i][k] - place[j][k], r2 += d[k] * d[k];
            double pull = dt / (r2 * sqrt(r2));
            for (int k = 0; k < 3; k++) speed[i][k] -= d[k] * mass[j] * pull, speed[j][k] += d[k] * mass[i] * pull;
        }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++) place[i][k] += dt * speed[i][k];
}

int main(int argc, char **argv) {
    int times = argc > 1 ? atoi(argv[1]) : 1;
    double sum = 0;
    for (int t = 0; t < times; t++) {
        for (int i = 0; i < BODIES; i++) {
            mass[i] = 1 + i % 5;
            for (int k = 0; k < 3; k++) place[i][k] = (i * 7 + k * 3) % 11, speed[i][k] = 0;
        }
        for (int i = 0; i < 20000; i++) move(1e-3);
        for (int i = 0; i < BODIES; i++) sum += place[i][0] * place[i][1];
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) a[i][j] = i % 13 * 0.5f, b[i][j] = j % 7 * 0.25f;
        for (int round = 0; round < 20; round++)
            for (int i = 0; i < SIDE; i++)
                for (int j = 0; j < SIDE; j++) {
                    float s = 0;
                    for (int k = 0; k < SIDE; k++) s += a[i][k] * b[k][j];
                    c[i][j] = s;
                }
        sum += c[3][5];
        for (int n = 1; n < 400000; n++) sum += (double)(n % 17) * sin(n * 0.001) / n;
    }
    printf("float checksum %.9g\n", sum);
}
