#!/usr/bin/env bash
# Keeps one open issue per label: a second failure adds a comment.
set -euo pipefail

run="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"
body="$TITLE: [run $GITHUB_RUN_ID]($run) ($GITHUB_EVENT_NAME, attempt $GITHUB_RUN_ATTEMPT). docs/failures.md says what to do for each exit code."

open=$(gh issue list --label "$LABEL" --state open --json number --jq '.[0].number // empty')
if [[ -n "$open" ]]; then
  gh issue comment "$open" --body "$body"
else
  gh label create "$LABEL" --color B60205 --description "Opened by a workflow" --force
  gh issue create --title "$TITLE" --label "$LABEL" --body "$body"
fi
