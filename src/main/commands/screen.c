#include "main/commands/screen.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"

enum { WIDTH = 80, HEIGHT = 24, /* of a terminal that does not say */ TEXT_WIDTH = 200, LINE_BYTES = 2048, OUT_MAX = 1 << 20, UNLIMITED = 10000 };

static struct termios before;
static volatile sig_atomic_t ended;

static void on_signal(int sig)
{
    (void)sig;
    ended = 1;
}

int screen_begin(struct screen *s, struct scope *owner)
{
    *s = (struct screen){.width = TEXT_WIDTH, .height = UNLIMITED};
    return buf_begin(&s->out, owner, "screen", OUT_MAX);
}

static void put(const char *sequence)
{
    (void)fd_write_all(STDOUT_FILENO, sequence, strlen(sequence));
}

bool screen_open(struct screen *s)
{
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
        return false;
    struct termios raw = before;
    struct sigaction end = {.sa_handler = on_signal}; /* without SA_RESTART: poll() returns */
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    put("\033[?1049h\033[?25l");
    s->open = true;
    return true;
}

void screen_close(struct screen *s)
{
    if (!s->open)
        return;
    put("\033[?25h\033[?1049l");
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    s->open = false;
}

void screen_clear(struct screen *s)
{
    struct winsize size;
    buf_clear(&s->out);
    s->lines = 0;
    if (!s->open)
        return;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
    s->width = known ? size.ws_col : WIDTH;
    s->height = known ? size.ws_row : HEIGHT;
    buf_puts(&s->out, "\033[H");
}

/* Bytes of the text that fit: a character of several bytes counts once. */
static int fitting(const char *text, unsigned width)
{
    const char *c = text;
    for (unsigned n = 0; *c; c++)
        if ((*c & 0xc0) != 0x80 && n++ == width)
            break;
    return (int)(c - text);
}

__attribute__((format(printf, 3, 0))) static void add_line(struct screen *s, bool bold, const char *format, va_list ap)
{
    char text[LINE_BYTES];
    if (s->lines == s->height)
        return;
    vsnprintf(text, sizeof text, format, ap);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    if (s->open && s->lines)
        buf_puts(&s->out, "\n");
    s->lines++;
    bold = bold && s->open;
    buf_printf(&s->out, "%s%.*s%s%s", bold ? "\033[1m" : "", fitting(text, s->width), text, bold ? "\033[m" : "",
               s->open ? "\033[K" : "\n");
}

void screen_line(struct screen *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add_line(s, false, format, ap);
    va_end(ap);
}

void screen_bold_line(struct screen *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add_line(s, true, format, ap);
    va_end(ap);
}

unsigned screen_room(const struct screen *s)
{
    return s->height - s->lines;
}

void screen_show(struct screen *s)
{
    if (s->open)
        buf_puts(&s->out, "\033[J");
    (void)fd_write_all(STDOUT_FILENO, s->out.data, s->out.len);
}

int screen_key(int wait_ms)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char key;
    int r = ended ? -1 : poll(&p, 1, wait_ms);
    if (r == 0)
        return 0;
    if (r < 0 && !ended)
        return 0; /* the terminal's size has changed */
    return !ended && fd_read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}
