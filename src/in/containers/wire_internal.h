/*
 * What the parts of a wire say to each other: wire.c (what arrives: bytes to messages to lines), wire_lines.c (lines to records to batches), wire_open.c (connections: when
 * one is opened, what its end means, rotation), wire_probe.c (streams that are silent), wire_life.c (where it begins, and its end).
 */
#pragma once

#include "in/containers/container.h"

enum { WIRE_RAW_MOST = FRAMES_KEPT + (256 << 10) /* what libcurl gives at once is less */ };

static inline uint64_t wire_longest(const struct wire *w)
{
    return monitor_of(w->container)->config->files.max_line_bytes;
}

/* ---- wire_lines.c: a message is taken once there is room for all of it. What is not ready has blocked the wire, and is asked for again. ---- */

/* For want of memory, of which nobody says when there is some: for a while. false. */
bool wire_block_for_memory(struct wire *w);
/* For so many bytes in so many lines, and for what they end, or is there without its beginning. */
bool wire_room_for(struct wire *w, size_t bytes, size_t lines);
/* After room: the labels of stdout or stderr in the batch. */
bool wire_ready_stream(struct wire *w, unsigned stream);
/* Memory for `most` bytes more of the line that the message goes on with, if it takes some. */
bool wire_ready_line(struct wire *w, const struct mark *m, size_t most);
/* A message, or a line of one, for which all of these are ready. */
void wire_take(struct wire *w, unsigned stream, const char *text, size_t len, bool more);
/* The line is whole, or nothing more will come of it: it is in line[], or is `text`. */
void wire_put_line(struct wire *w, unsigned stream, const char *text, size_t len);
/* Of lines that nothing is kept of. */
void wire_shrink_lines(struct wire *w);

/* ---- wire.c and wire_open.c ---- */

/* Nothing when it is there: then it holds what the stream before left. */
int wire_begin_memory(struct wire *w);
void wire_end_memory(struct wire *w);
/* What is not taken of the stream makes no sense. */
void wire_forget_raw(struct wire *w);
enum http_piece wire_piece(struct http_request *r, const char *data, size_t n);
/* What came makes no sense (w->why): let go of the stream, and try again later. Not from within wire_piece(). */
void wire_broken(struct wire *w);
/* Nothing is wrong with it any more. */
void wire_is_well(struct wire *w);
/* The headers of its answer have come. */
void wire_answered(struct wire *w);
/* w->again: it is opened again, or rotated. */
void wire_time_came(struct timer *t);
/* It has ended, and what came before was waiting for room. */
void wire_go_on_ending(struct wire *w);
/* What an answer held is all there: also when nothing came. false: blocked. */
bool wire_settle(struct wire *w);
/* Its answer ended within a message; w->why may say more. */
bool wire_is_torn(struct wire *w);
/* Lines that are not whole are records as they are. false: blocked. */
bool wire_give_rest(struct wire *w);
/* What it holds is lost. */
void wire_count_rest(struct wire *w);
