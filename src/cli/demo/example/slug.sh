#!/bin/sh
# Prints a short name for a book: slug.sh TITLE
set -eu
printf '%s\n' "$*" | tr '[:upper:]' '[:lower:]' | tr ' ' '-'
