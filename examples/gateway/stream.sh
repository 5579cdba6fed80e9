#!/usr/bin/env sh
# Stream an answer with curl: stream.sh "what is 2+2?"
curl -sN "${GATEWAY:-http://127.0.0.1:8484}/v1/chat/completions" -H 'Content-Type: application/json' \
  -d "{\"model\": \"auto\", \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"${1:-what is 2+2?}\"}]}"
