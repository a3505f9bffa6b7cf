. tests/lib/check.sh
list=$(mktemp)
trap 'rm -f "$list"' EXIT
printf 'Emma\nDune\n' >"$list"
check "count of two books" 2 "$(sh count.sh "$list")"
: >"$list"
check "count of an empty list" 0 "$(sh count.sh "$list")"
sh count.sh "$list" >/dev/null
check "exit status for an empty list" 0 "$?"
exit "$failed"
