/*
 * pods: the logs that the kubelet's runtimes write, found by their paths alone, without an engine:
 *
 *     DIRECTORY/NAMESPACE_POD_UID/CONTAINER/N.log     usually below /var/log/pods; N counts the container's restarts
 *
 * Each becomes a log that is followed (followed.h), with the labels source="kubernetes", service and container (the container's name),
 * namespace, pod and instance; it is let go of when its file is gone and read to its end. The form is told by the first byte: CRI, or json-file
 * where the path is a link to Docker's own. Such paths are read by nothing else, whatever patterns match them, nor are links to them
 * (/var/log/containers).
 *
 * Source: kubernetes/pkg/kubelet/kuberuntime, BuildPodLogsDirectory() and BuildContainerLogsDirectory(). One thread.
 */
#pragma once

#include "config/config.h"

struct files;
struct group;

enum { POD_PART = 256 }; /* a file's name and its end */

/* The parts of a path. */
struct pod_parts {
    char namespace[POD_PART], pod[POD_PART], uid[POD_PART], container[POD_PART], file[POD_PART];
};

/* Whether a path is that of a pod's log below the directory, which has no '/' at its end. Pure; any thread. */
bool pods_split(const char *directory, const char *path, struct pod_parts *p);
/* Whether the file of that name is read: N.log, or what a rotator made of it, until it is compressed. */
bool pods_reads(const struct pod_parts *p);

/* What a path says. Its texts are the caller's. */
struct pod_log {
    const char *namespace, *pod, *uid, *container;
};

struct pods {
    const char *directory;           /* absolute, without a '/' at its end */
    const char *instance;
    const struct label *labels;      /* more of them */
    size_t n_labels;
    const struct files_group *rules; /* as in struct follow */
    bool at_end;                     /* what is there at the very first start is read from its end */
    bool (*wants)(const struct pod_log *log, void *arg); /* NULL: all */
    void *arg;
};

/*
 * Finds such logs from now on, or by other rules, or (NULL) no more; where they are read on they go on where they were. What is given is
 * copied, but for arg. 0, -EINVAL (bad rules: at the first log, logged) or -ENOMEM, and there are none.
 */
int pods_set(struct files *f, const struct pods *what);

/* ---- for src/in/files/ ---- */

/* Whether a path is one of them, so that nothing else may read it; and whether it may be above one. */
bool pods_has(const struct files *f, const char *path);
bool pods_has_directory(const struct files *f, const char *path);
/* The group of the log, followed from now on if it was not; NULL: not wanted, or no memory. */
struct group *pods_group(struct files *f, const char *path);
/* The directory to begin with; NULL: none. */
const char *pods_root(const struct files *f);
