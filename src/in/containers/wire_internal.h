/*
 * What the parts of a wire say to each other: wire.c (what arrives: bytes to messages to records to batches), wire_open.c (connections: when
 * one is opened, what its end means, rotation), wire_probe.c (streams that are silent), wire_life.c (where it begins, and its end).
 */
#pragma once

#include "in/containers/monitor.h"

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
