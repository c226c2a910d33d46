/* label: a name and a value that belong to what was read; also what the options that are maps consist of. */
#pragma once

struct label {
    const char *name, *value; /* NUL-terminated UTF-8; a stream's name fits [a-zA-Z_][a-zA-Z0-9_]* */
};
