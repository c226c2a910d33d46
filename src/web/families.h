/*
 * families: metrics in Prometheus' text format, a family at a time: its HELP and TYPE, then its samples together.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#pragma once

#include "base/mem.h"

void family(struct buf *out, const char *name, const char *type, const char *help);
void plain(struct buf *out, const char *name, const char *type, const char *help, double value); /* a family of one */
void labelled(struct buf *out, const char *name, const char *label, const char *value, double number);
void escaped(struct buf *out, const char *value); /* within the quotes of a label */
