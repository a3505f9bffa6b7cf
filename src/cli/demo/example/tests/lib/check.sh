# check WHAT EXPECTED FOUND: says where the two differ. A test ends with `exit "$failed"`.
failed=0
check() {
    [ "$2" = "$3" ] && return
    echo "FAIL $1: expected '$2', found '$3'"
    failed=1
}
