#include "net/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"

void secret_begin(struct secret *s, struct scope *owner, const char *fixed, const char *file)
{
    *s = (struct secret){.file = file, .fixed = fixed, .owner = owner};
}

void secret_end(struct secret *s)
{
    if (s->value)
        explicit_bzero(s->value, strlen(s->value));
    mem_free(s->value);
    s->value = NULL;
}

static int read_file(struct secret *s)
{
    struct fd f;
    int r = fd_open(&f, s->owner, s->file, O_RDONLY | O_NONBLOCK, 0);
    if (r < 0)
        return r;
    char *text = mem_new(s->owner, SECRET_MAX + 1, "secret");
    ssize_t n = text ? fd_read(f.n, text, SECRET_MAX + 1) : -ENOMEM;
    fd_close(&f);
    if (n > SECRET_MAX) {
        explicit_bzero(text, (size_t)n);
        n = -EFBIG;
    }
    if (n < 0) {
        mem_free(text);
        return (int)n;
    }
    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        n--;
    text[n] = 0;
    secret_end(s);
    s->value = text;
    return 0;
}

const char *secret_get(struct secret *s)
{
    if (!s->file[0])
        return s->fixed;
    struct stat st;
    int r = file_stat(s->file, &st);
    bool same = r == 0 && s->value && st.st_ino == s->inode && st.st_size == s->size &&
                st.st_mtim.tv_sec == s->changed.tv_sec && st.st_mtim.tv_nsec == s->changed.tv_nsec;
    if (r == 0 && !same)
        r = read_file(s);
    if (r == 0) {
        s->inode = st.st_ino;
        s->size = st.st_size;
        s->changed = st.st_mtim;
        s->said = false;
    } else if (!s->said) {
        s->said = true;
        log_error("secret", "cannot read %s: %s", s->file, strerror(-r));
    }
    return s->value;
}
