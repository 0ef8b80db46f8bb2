#!/usr/bin/env bash
# Calls the deploy gate with curl and openssl only. Exit code: 0 passed, 1 failed, 2 wrong usage, 3 not reachable.
#   VELERO_CHATOPS_URL, VELERO_CHATOPS_SECRET (whsec_…), VELERO_CHATOPS_TOKEN
#   usage: gate.sh '{"cluster": "prod", "namespaces": ["shop"], "max_age": "24h", "take_if_older": true}'
set -euo pipefail

body=${1:?a JSON body is missing}
url=${VELERO_CHATOPS_URL%/}
id=${GATE_ID:-$(openssl rand -hex 16)}
timestamp=$(date +%s)
encoded=${VELERO_CHATOPS_SECRET#whsec_}
while [ $((${#encoded} % 4)) -ne 0 ]; do encoded="$encoded="; done
key=$(printf '%s' "$encoded" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
signature=$(printf '%s.%s.%s' "$id" "$timestamp" "$body" |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# A retry with the same id is the same request, so nothing runs twice.
status=$(curl --silent --show-error --retry 3 --retry-connrefused --max-time 60 --output "$answer" --write-out '%{http_code}' \
  --header 'Content-Type: application/json' \
  --header "webhook-id: $id" --header "webhook-timestamp: $timestamp" --header "webhook-signature: v1,$signature" \
  --data-binary "$body" "$url/hooks/v1/gate") || { echo 'The bot cannot be reached.' >&2; exit 3; }

field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p" "$answer" | head -n 1; }

case $status in
  200 | 202) ;;
  403) cat "$answer" >&2; exit 1 ;;
  409 | 413 | 415 | 422) cat "$answer" >&2; exit 2 ;;
  *) echo "The bot answered $status." >&2; cat "$answer" >&2; exit 3 ;;
esac

operation=$(field operation)
# Waits while the bot restarts.
while [ "$(field passed)" != true ] && [ "$(field passed)" != false ]; do
  curl --silent --show-error --fail --retry 9 --retry-connrefused --retry-max-time 90 --max-time 90 --output "$answer" \
    --header "Authorization: Bearer ${VELERO_CHATOPS_TOKEN:?needed to wait for the backup}" \
    "$url/hooks/v1/operations/$operation?wait=30" || { echo 'The bot cannot be reached.' >&2; exit 3; }
done

cat "$answer"
[ "$(field passed)" = true ]
