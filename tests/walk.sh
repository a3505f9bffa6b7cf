#!/bin/sh
# Walks localforge through the calls that a real Forgejo answered and compares the answers.
set -eu
cd "$(dirname "$0")/.."
shared=../shared
echo 1 >target/walk.status
if [ ! -d "$shared/forge-check" ]; then
    echo "NOT RUN: the walk of localforge against the recordings of a real Forgejo: $shared is not there"
    echo 0 >target/walk.status
    exit 0
fi
if ! command -v python3 >/dev/null 2>&1; then
    echo "NOT RUN: the walk of localforge against the recordings of a real Forgejo: no python3"
    echo 0 >target/walk.status
    exit 0
fi
data=$(mktemp -d)
: >"$data/out" # read below, perhaps before the shell in the background has made it
target/debug/forgehand localforge --data "$data" --listen 127.0.0.1:0 --admin root:Correct-Horse-9-Battery >"$data/out" 2>"$data/err" &
forge=$!
trap 'kill $forge 2>/dev/null || true; wait $forge 2>/dev/null || true; rm -rf "$data"' EXIT
url=
for _ in $(seq 100); do
    url=$(sed -n 's/^localforge listens on //p' "$data/out")
    [ -n "$url" ] && break
    sleep 0.1
done
[ -n "$url" ] || { cat "$data/err"; exit 1; }
python3 "$shared/forge-check/walk.py" "$url" root Correct-Horse-9-Battery "$data/walk.jsonl" >/dev/null
if python3 "$shared/forge-check/check.py" "$shared/forgejo-recordings/v15.jsonl" "$data/walk.jsonl" \
    --except "$shared/forge-check/later.txt"; then
    echo 0 >target/walk.status
fi
