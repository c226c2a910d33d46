/* leaks_replay: `logcap leaks replay`, a recorded series through the judge that the agent runs. Returns the exit code. */
#pragma once

int leaks_replay(int argc, char **argv);
