/*
 * followed: one container's log among the files that the monitor reads: a path that somebody else found and labels, in the form that
 * its runtime writes. For the discovery of containers.
 *
 * What holds for every file holds for it: rotation (PATH.1, PATH.2, PATH.20261121-105009; what was rotated is read to its end first, also
 * what was rotated while logcap was not running), truncation, positions over restarts, once into Loki after a kill. Besides:
 *
 *   - A record is what the container wrote: the wrapping is taken off, pieces of one message are joined up to max_line_bytes, also over a
 *     rotation, for each of its two streams by itself. Its time is the runtime's. It gets the label stream="stdout" or "stderr".
 *   - While the container runs (followed_runs()) its log stays open, so that what it wrote last is read also when it is deleted
 *     at once. max_open_files holds all the same.
 *   - A line that is not in the form is a record as it is, without the label stream, and is counted (malformed).
 *   - A file that a pattern of the file monitor matches too is read once, as the log that is followed.
 *
 * Ownership: under the monitor; what is given is copied. It works also when the file monitor has no groups. Threads: all of it on the
 * monitor's loop (the collector's); `changed` is called there too, from a nudge, never within a call of yours. A reload of the files
 * (files_reload()) leaves what is followed as it is. files_end() ends what is left.
 */
#pragma once

#include "codec/wrapped.h"
#include "config/config.h"

struct files;
struct followed;

enum followed_state {
    FOLLOWED_AWAITED, /* there is no such file, yet or any more */
    FOLLOWED_HELD,    /* it is open and nothing is read, since it has no labels yet */
    FOLLOWED_READING, /* there is something to read */
    FOLLOWED_READ,    /* all that is there was read; sinks may not have all of it */
    FOLLOWED_FAILED,  /* it cannot be opened or read: `error`; it is tried again at each scan */
    FOLLOWED_DONE,    /* after followed_gone(): all was read and every sink has it */
};
const char *followed_state_name(enum followed_state state);

struct follow {
    const char *path;       /* absolute; it need not be there yet, nor its directory */
    enum wrapping wrapping;
    const struct label *labels; /* all but `stream`; NULL: it is held until followed_label() */
    size_t n_labels;
    const struct files_group *rules; /* its multiline, timestamp and long_lines; NULL: none */
    bool at_end;            /* a log that no earlier process knew is read from its end, if it is there now */
    bool runs;              /* followed_runs() */
    void (*changed)(struct followed *, void *arg); /* the state is another one; NULL: nobody is told */
    void *arg;
};

/* 0; -EEXIST: the path is followed already; -EINVAL: no absolute path, or bad rules (it was logged); -ENOMEM. */
int followed_begin(struct followed **out, struct files *f, const struct follow *what);

/* Other labels for what is read from now on; the first ones begin the reading. 0 or -ENOMEM. */
int followed_label(struct followed *fl, const struct label *labels, size_t n);
/*
 * Whether the container runs. While it does, half a line waits for its rest. When it stops, what it wrote is read to the end at once (then
 * FOLLOWED_READ), and an unfinished message does not wait. It may run again, and write before that is heard of.
 */
void followed_runs(struct followed *fl, bool runs);
/*
 * The container is gone, or soon will be: nothing more comes. What is there is read to its end, deleted or not, and when every sink has it
 * the state is FOLLOWED_DONE.
 */
void followed_gone(struct followed *fl);
/*
 * It is not to be read any more, whatever its state; `changed` is not called again. Positions stay: followed again, it goes on
 * where it was.
 */
void followed_end(struct followed *fl);

struct followed_view {
    enum followed_state state;
    int error;              /* FOLLOWED_FAILED: -errno */
    bool found;             /* a file of it was opened in this process' life; false at FOLLOWED_DONE: it was gone before */
    unsigned files;         /* that are not read to their end and delivered */
    uint64_t unread;        /* bytes of them, wrapping included */
    uint64_t records, bytes; /* read in this process' life: what the container wrote, without wrapping and line ends */
    uint64_t malformed;     /* of records: lines not in the form */
    uint64_t torn;          /* messages that did not fit, or were not finished, and are more than one record */
    int64_t last_read;      /* clock_real(); 0: nothing yet */
};
void followed_look(const struct followed *fl, struct followed_view *view);
const char *followed_path(const struct followed *fl);
