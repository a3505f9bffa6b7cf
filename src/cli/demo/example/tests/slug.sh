. tests/lib/check.sh
check "slug of two words" "war-games" "$(sh slug.sh War Games)"
exit "$failed"
