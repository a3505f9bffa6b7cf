. tests/lib/check.sh
NOTES=$(mktemp -d)
export NOTES
trap 'rm -rf "$NOTES"' EXIT
sh note.sh emma "read it twice"
check "note about a book" "read it twice" "$(cat "$NOTES/emma.txt")"
exit "$failed"
