/*
 * facts: what an engine says of a container, in one of three ways, as far as logcap wants to know it.
 *
 *   an entry of GET /containers/json   {"Id":"705b...","Names":["/web"],"Image":"nginx","Labels":{...},"State":"running"}
 *   GET /containers/ID/json            {"Id":...,"Name":"/web","Config":{"Image":...,"Tty":...,"Labels":{...}},"LogPath":...,
 *                                       "HostConfig":{"LogConfig":{"Type":"json-file"}},"State":{"Status":"running"}}
 *   a line of GET /events              {"Action":"start","Actor":{"ID":...,"Attributes":{"name":"web","image":...}},"timeNano":...}
 *
 * (Docker Engine API 1.24 to 1.4x; Podman's service speaks the same, but that its events end in "died" and "remove".)
 * What is too long is cut between characters; what is not there stays as it was. Keys may come in any order.
 *
 * Pure; hostile input; one thread at a time.
 */
#pragma once

#include <limits.h>

#include "codec/json.h"
#include "config/config.h"

enum {
    FACTS_ID = 64,     /* hexadecimal digits */
    FACTS_NAME = 256,  /* bytes with the NUL, of what follows */
    FACTS_IMAGE = 512,
    FACTS_VALUE = 256,
    FACTS_LABELS = 16, /* chosen ones */
};

struct facts {
    char id[FACTS_ID + 1]; /* "": none, or none that can be one */
    char name[FACTS_NAME], image[FACTS_IMAGE], project[FACTS_VALUE], service[FACTS_VALUE];
    char chosen[FACTS_LABELS][FACTS_VALUE]; /* values of options->labels, in their order */
    bool labels_known;
    bool included, excluded; /* by include_labels (if there are any) and exclude_labels */
    char state[16];          /* "created", "running", "paused", "exited", ... */
    /* inspected only */
    bool tty;
    char driver[32], log_path[PATH_MAX];
    int64_t created; /* UTC ns; 0: not known */
    /* an event only */
    char action[32];
    int64_t time; /* UTC ns of the engine's clock */
};

/*
 * Each reads one object and sets what it finds. options: what labels to choose and to go by.
 * `j` stands before the object in facts_entry(): false when there was none, or JSON is at fault (j->type is JSON_ERROR).
 */
bool facts_entry(struct facts *f, struct json *j, const struct containers_config *options);
bool facts_inspected(struct facts *f, const char *text, size_t len, const struct containers_config *options);
bool facts_event(struct facts *f, const char *text, size_t len, const struct containers_config *options);

/* Of GET /version and GET /info. */
struct engine_facts {
    unsigned api_most, api_least; /* minor of version 1.x; 0: not said */
    bool podman;
    char root[PATH_MAX], storage[32]; /* DockerRootDir, Driver */
    char id[FACTS_NAME], version[64];
    int64_t now; /* its clock, UTC ns; 0: not said */
};
bool facts_version(struct engine_facts *f, const char *text, size_t len);
bool facts_info(struct engine_facts *f, const char *text, size_t len);

/* {"message":"..."}, with which an engine says why it refuses. false: it says nothing, and out is "". */
bool facts_message(char out[FACTS_VALUE], const char *text, size_t len);

/* Whether it is 64 hexadecimal digits in lower case. */
bool facts_is_id(const char *text, size_t n);
