#include "main/commands/cell.h"

#include <stdio.h>

void cell_print(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}
