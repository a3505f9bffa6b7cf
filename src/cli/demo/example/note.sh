#!/bin/sh
# Writes a note about a book: note.sh TITLE TEXT. The folder NOTES has a file for each book.
set -eu
notes=${NOTES:-notes}
mkdir -p "$notes"
printf '%s\n' "$2" >>"$notes/$1.txt"
