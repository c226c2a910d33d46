/* leaks_show: `logcap leaks` without a word behind it: the verdicts of the running agent, as tables. */
#pragma once

int leaks_show(int argc, char **argv);
