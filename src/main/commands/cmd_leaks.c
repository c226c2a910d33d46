/* `logcap leaks`: what the leak detector says, of the running agent or of a recorded series. */
#include <string.h>

#include "main/commands/commands.h"
#include "main/commands/leaks_replay.h"
#include "main/commands/leaks_show.h"

int cmd_leaks(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "replay") == 0) {
        argv[1] = (char[]){"logcap leaks replay"};
        return leaks_replay(argc - 1, argv + 1);
    }
    return leaks_show(argc, argv);
}
