#!/bin/sh
# Prints a short name for a book, by hand: name.sh TITLE
set -eu
printf '%s\n' "$*" | tr 'A-Z ' 'a-z_'
