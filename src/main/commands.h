/*
 * commands: what `logcap COMMAND` calls. argv[0] is the command's name. Each returns the exit code and
 * answers --help itself.
 */
#pragma once

int cmd_positions(int argc, char **argv);
