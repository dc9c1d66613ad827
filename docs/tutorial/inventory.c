/* Counts parts. One name is longer than the place that it is copied to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
    struct item *next;
    long count;
    char *name;
};

static struct item *items;

static void add(const char *name, long count) {
    char *copy = malloc(24);
    struct item *item = malloc(sizeof *item);
    item->next = items;
    item->count = count;
    item->name = strcpy(copy, name);
    items = item;
}

static long total(void) {
    long sum = 0;
    for (struct item *i = items; i; i = i->next)
        sum += i->count;
    return sum;
}

int main(void) {
    add("bolts", 120);
    add("washers, stainless steel, 8 mm, DIN 125", 300);
    add("nuts", 80);
    printf("%ld parts\n", total());
    return 0;
}
