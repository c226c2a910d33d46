#include "web/families.h"

#include "codec/doc.h"

void family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void plain(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    char text[NUMBER_TEXT];
    family(out, name, type, help);
    buf_printf(out, "%s %s\n", name, number_text(value, text));
}

void escaped(struct buf *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            buf_printf(out, "\\%c", *value);
        else if (*value == '\n')
            buf_puts(out, "\\n");
        else
            buf_add(out, value, 1);
    }
}

void labelled(struct buf *out, const char *name, const char *label, const char *value, double number)
{
    char text[NUMBER_TEXT];
    buf_printf(out, "%s{%s=\"", name, label);
    escaped(out, value);
    buf_printf(out, "\"} %s\n", number_text(number, text));
}
