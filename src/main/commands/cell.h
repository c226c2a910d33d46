/* cell: text in a table for people: what a terminal would act on is not printed. */
#pragma once

#include <stdio.h>

void cell_print(const char *text); /* on standard output */
void cell_write(FILE *out, const char *text);
