/* A record's bytes: what spool.c writes and spool_read.c reads. Nobody else includes it. */
#pragma once

#include "store/spool.h"

/* The head of a record with its checksum; head->body_hash and the sizes are set. */
int record_encode(struct buf *out, const struct spool_head *head);
uint64_t record_body_size(const struct spool_head *head);
uint64_t record_body_hash(const struct spool_head *head, const char *labels, const struct mark *marks, const char *data);
/* The part of a head that says how long it is. */
enum { RECORD_LEAST = 80 };
