// A program to go back and forth in: nested calls, a loop, recursion, and a global that is written six times.
#include <stdio.h>
#include <string.h>

long total = 1;
static char name[8];
static unsigned long limit = 100;

static long square(long n)
{
    long result = n * n;
    return result;
}

static long add(long n)
{
    total += square(n);
    return total;
}

static long factorial(long n)
{
    if (n < 2)
        return 1;
    return n * factorial(n - 1);
}

static void copy(const char *text)
{
    strcpy(name, text);
}

int main(void)
{
    long i, sum = 0;
    for (i = 1; i <= 5; i++)
        sum += add(i);
    copy("pilgrim");
    sum += factorial(4);
    total = sum;
    printf("%ld %lu\n", sum, limit);
    return 0;
}
