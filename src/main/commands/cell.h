/* cell: text in a table for people: what a terminal would act on is not printed. */
#pragma once

void cell_print(const char *text);
