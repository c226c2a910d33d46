#!/bin/sh
# Runs logcap under load and says whether it meets its success criteria: stress-test.sh --duration 2h --workers 10
# --help says more. Needs python3 and a built logcap (make).
exec python3 "$(dirname "$0")/stress_test.py" "$@"
