#!/usr/bin/env sh
# Stream an answer with curl: stream.sh "what is 2+2?"
prompt=$(printf '%s' "${1:-what is 2+2?}" | tr '\n\t' '  ' | sed 's/[\\"]/\\&/g') # as JSON has it
curl -sN "${GATEWAY:-http://127.0.0.1:8484}/v1/chat/completions" -H 'Content-Type: application/json' \
  -d "{\"model\": \"auto\", \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"$prompt\"}]}"
