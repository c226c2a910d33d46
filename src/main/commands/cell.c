#include "main/commands/cell.h"

void cell_write(FILE *out, const char *text)
{
    for (; *text; text++)
        putc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

void cell_print(const char *text)
{
    cell_write(stdout, text);
}
