#!/bin/sh
# Runs all tests, and fails if one of them does.
cd "$(dirname "$0")" || exit 1
failed=0
for test in tests/*.sh; do
    sh "$test" || failed=1
done
[ "$failed" -eq 0 ] && echo "all tests passed"
exit "$failed"
