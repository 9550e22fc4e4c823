#!/usr/bin/env bash
# Runs the all-in-one image and asks everything of it that a user would.
# Usage: test-image.sh IMAGE
# CONTAINER names the engine (podman, docker), NETWORK the engine's network for the runs that have one;
# RUN_ARGS are added to each run.
set -euo pipefail
image="$1"
engine="${CONTAINER:-podman}"
read -ra run_args <<<"${RUN_ARGS:-}"
network=(${NETWORK:+--network "$NETWORK"})
name="localai-test-$$"
work="$(mktemp -d)"
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
url="http://127.0.0.1:$port"
over=() # what curl needs beside, to get there

end() {
  "$engine" rm --force "$name" >/dev/null 2>&1 || true
  "$engine" volume rm "$name-models" "$name-data" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap end EXIT

say() { printf '\n== %s\n' "$*"; }
fail() {
  echo "FAILED: $*" >&2
  "$engine" logs "$name" 2>&1 | tail -30 >&2 || true
  exit 1
}

# start ARGS…: the image in the background; the port is the same inside, so that a host network works.
start() {
  "$engine" run --detach --name "$name" "${run_args[@]}" --env LOCALAI_PORT="$port" "$@" "$image" >/dev/null
}

# await COMMAND…: until it ends well, for at most two minutes.
await() {
  for _ in $(seq 240); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.5
  done
  fail "not within two minutes: $*"
}

# stop_cleanly: SIGTERM must be enough, and the gateway must say that it ended as it should.
stop_cleanly() {
  "$engine" stop --time 60 "$name" >/dev/null
  code="$("$engine" inspect --format '{{.State.ExitCode}}' "$name")"
  [ "$code" = 0 ] || fail "it ended with exit code $code"
  "$engine" rm "$name" >/dev/null
}

# call PATH JSON: the answer on stdout; its headers go to $work/headers.
call() {
  curl --silent --show-error --fail-with-body --max-time 180 "${over[@]}" --dump-header "$work/headers" \
    "$url$1" --header 'content-type: application/json' --data "$2" || fail "$1"
}

# pick PYTHON: the value of an expression over the JSON `a` on stdin.
pick() { python3 -c "import json, sys; a = json.load(sys.stdin); print($1)"; }

# expect WORD TEXT: TEXT must hold WORD, in any case.
expect() {
  grep --quiet --ignore-case -- "$1" <<<"$2" || fail "'$1' is not in: $2"
  echo "   ${2:0:120}"
}

stands_in_for() {
  grep --quiet --ignore-case "^x-localai-fallback-for: $1" "$work/headers" || fail "no word that a starter answers for $1"
}

say "what is in $image"
"$engine" image inspect --format '{{.Size}}' "$image" | awk '{printf "   %.2f GB\n", $1 / 1e9}'
inside() { "$engine" run --rm --no-healthcheck "${run_args[@]}" --entrypoint sh "$image" -c "$1"; }
[ "$(inside 'id -u')" != 0 ] || fail "it runs as root"
tools="$(inside 'for tool in cc gcc c++ make cmake ninja git pip pip3 nvcc; do command -v $tool; done; true')"
[ -z "$tools" ] || fail "build tools are left in it: $tools"
"$engine" image inspect "$image" | grep --quiet healthcheck.py || fail "it has no health check"

say "llama.cpp's library for this processor"
level="$(inside 'python -c "
import llama_cpp
llama_cpp.llama_backend_init()
print(*{line.split(\"/\")[-1].strip() for line in open(\"/proc/self/maps\") if \"libggml-cpu\" in line})"')"
[[ $level =~ ^libggml-cpu-[^\ ]+$ ]] || fail "it loads not one library for the processor, but: '$level'"
echo "   $level"

say "localai doctor in it"
"$engine" run --rm --no-healthcheck "${run_args[@]}" "$image" doctor --port 0 | sed 's/^/   /' || fail "the doctor found an error"

say "read-only, with its two volumes alone"
begin=$(date +%s%N)
start "${network[@]}" --read-only --cap-drop ALL --security-opt no-new-privileges --env PROFILE=cpu \
  --publish "127.0.0.1:$port:$port" --volume "$name-models:/models" --volume "$name-data:/data"
await curl --silent --fail "$url/ready"
echo "   ready after $((($(date +%s%N) - begin) / 1000000)) ms"
"$engine" exec "$name" python3 /opt/localai/healthcheck.py || fail "the health check"

say "chat"
answer="$(call /v1/chat/completions '{"model": "gpt-4", "messages": [{"role": "user", "content": "What is the capital of France?"}]}')"
expect Paris "$(pick 'a["choices"][0]["message"]["content"]' <<<"$answer")"
stands_in_for gpt-4

say "an image"
call /v1/images/generations '{"model": "dall-e-3", "prompt": "a red circle", "seed": 1, "response_format": "b64_json"}' >"$work/drawn.json"
pick 'a["data"][0]["b64_json"][:8]' <"$work/drawn.json" | grep --quiet iVBORw0K || fail "no PNG"
echo "   a PNG of $(pick 'len(a["data"][0]["b64_json"]) * 3 // 4' <"$work/drawn.json") bytes"

say "vision: what is in that image"
python3 - "$work" <<'P'
import json, pathlib, sys
work = pathlib.Path(sys.argv[1])
picture = json.loads((work / "drawn.json").read_text())["data"][0]["b64_json"]
parts = [
    {"type": "text", "text": "What is in this image?"},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
]
asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": parts}]}
(work / "see.json").write_text(json.dumps(asked))
P
answer="$(call /v1/chat/completions "@$work/see.json")"
expect "red circle" "$(pick 'a["choices"][0]["message"]["content"]' <<<"$answer")"
stands_in_for gpt-4o

say "embeddings"
answer="$(call /v1/embeddings '{"model": "text-embedding-ada-002", "input": "king"}')"
expect 384 "$(pick '"%d dimensions" % len(a["data"][0]["embedding"])' <<<"$answer")"

say "speech, and its transcription"
call /v1/audio/speech '{"model": "tts-1", "voice": "alloy", "input": "hello world"}' >"$work/speech.mp3"
heard="$(curl --silent --show-error --fail-with-body --max-time 180 "$url/v1/audio/transcriptions" \
  --form model=whisper-1 --form "file=@$work/speech.mp3")" || fail "the transcription"
expect "hello world" "$(pick 'a["text"]' <<<"$heard")"

say "a model that is pulled into the volume"
"$engine" exec "$name" sh -eu -c '
  folder=/opt/app/localai/bundled/model-gallery/starter/chat
  python3 -m http.server --bind 127.0.0.1 --directory "$folder" 8099 >/dev/null 2>&1 & server=$!
  trap "kill $server" EXIT
  for _ in $(seq 50); do
    python3 -c "import socket; socket.create_connection((\"127.0.0.1\", 8099))" 2>/dev/null && break
    sleep 0.1
  done
  localai pull http://127.0.0.1:8099/starter-chat.gguf --name survivor' 2>&1 | sed 's/^/   /' || fail "the pull"

say "a clean stop"
stop_cleanly

say "without any network, over a Unix socket, as a user of the platform's own choice"
mkdir -m 1777 "$work/run"
user="$(id -u)" # who then may call, unless that is root
[ "$user" != 0 ] || user=12345
start --network none --user "$user:0" --read-only --volume "$name-models:/models" --volume "$name-data:/data" \
  --volume "$work/run:/run/localai" --env LOCALAI_SOCKET=/run/localai/localai.sock --env MODELS=survivor
await curl --silent --fail --unix-socket "$work/run/localai.sock" http://localhost/ready
"$engine" exec "$name" python3 /opt/localai/healthcheck.py || fail "the health check over the socket"
url=http://localhost
over=(--unix-socket "$work/run/localai.sock")
answer="$(call /v1/chat/completions '{"model": "survivor", "messages": [{"role": "user", "content": "What is the capital of France?"}]}')"
expect Paris "$(pick 'a["choices"][0]["message"]["content"]' <<<"$answer")"
answer="$(call /v1/embeddings '{"model": "text-embedding-ada-002", "input": "king"}')"
expect 384 "$(pick '"%d dimensions" % len(a["data"][0]["embedding"])' <<<"$answer")"
expect survivor "$("$engine" exec "$name" localai ps)"
expect "survivor is here already" "$("$engine" logs "$name" 2>&1 | grep 'here already')"
stop_cleanly
[ ! -e "$work/run/localai.sock" ] || fail "its socket is left behind"

echo
echo "All is well."
