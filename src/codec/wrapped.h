/*
 * wrapped: which form a log file has: bare lines, or lines that a container runtime put its own around.
 *
 *   WRAPPED_NOT        a line is a record (lines.h)
 *   WRAPPED_JSON_FILE  Docker's json-file: {"log":"text\n","stream":"stdout","time":"..."} (jsonfile.h)
 *   WRAPPED_CRI        the kubelet's runtimes, and Podman's k8s-file: TIME stdout F text (cri.h)
 */
#pragma once

enum wrapping { WRAPPED_NOT, WRAPPED_JSON_FILE, WRAPPED_CRI };
