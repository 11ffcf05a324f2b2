#!/usr/bin/env bash
# jq builds the JSON message, so that no title can break it.
set -euo pipefail

run="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"
jq --null-input --arg text "$TITLE: $run" '{ text: $text }' |
  curl --fail --silent --show-error --retry 3 --retry-delay 20 --retry-all-errors \
    --header "content-type: application/json" --data @- "$SLACK_WEBHOOK_URL"
