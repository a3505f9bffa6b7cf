#!/bin/sh
# Counts the books of a list, one title on each line: count.sh LIST
set -eu
wc -l <"$1" | tr -d ' '
