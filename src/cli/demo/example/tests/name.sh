. tests/lib/check.sh
check "name of two words" "war_games" "$(sh name.sh War Games)"
exit "$failed"
