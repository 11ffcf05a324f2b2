#!/usr/bin/env bash
# Writes the alerts in $RESULTS/*.json to issues with the label "monitoring", one
# per variant. A job that runs again repeats nothing: each text contains a marker.
set -euo pipefail
shopt -s nullglob

# GitHub may be away for a moment.
retried() {
  local attempt
  for attempt in 1 2 3; do
    if "$@"; then return 0; fi
    if ((attempt < 3)); then sleep "$DELAY_SECONDS"; fi
  done
  return 1
}

publish() {
  local alert=$1 title status marker issues number state posted
  title=$(jq --raw-output .issue <<<"$alert")
  status=$(jq --raw-output .status <<<"$alert")
  marker=$(jq --raw-output '"<!-- \(.variant) \(.raised_at) -->"' <<<"$alert")
  jq --raw-output --arg marker "$marker" '"### \(.title)\n\n\(.markdown)\n\n\($marker)"' <<<"$alert" >alert.md

  issues=$(retried gh issue list --label monitoring --state all --limit 1000 --json number,title,state,body,comments |
    jq --arg title "$title" 'map(select(.title == $title))')
  read -r number state < <(jq --raw-output 'max_by(.number) // empty | "\(.number) \(.state)"' <<<"$issues") || true
  posted=$(jq --raw-output --arg marker "$marker" \
    'map(select([.body, .comments[].body] | any(contains($marker))))[0].number // ""' <<<"$issues")
  # A job that runs again may have older alerts, of an issue that is closed.
  if [[ -n "$posted" && "$posted" != "$number" ]]; then return 0; fi

  if [[ "$state" == OPEN ]]; then
    if [[ -z "$posted" ]]; then retried gh issue comment "$number" --body-file alert.md; fi
    if [[ "$status" == ok ]]; then retried gh issue close "$number" --reason completed; fi
  elif [[ "$status" != ok && -z "$posted" ]]; then
    retried gh label create monitoring --color D93F0B --description "A verdict of monitor changed" --force
    retried gh issue create --title "$title" --label monitoring --body-file alert.md
  fi
}

failed=0
for file in "$RESULTS"/*.json; do
  result=$(tail --lines 1 "$file")
  if [[ "$(jq 'type == "object" and .status != "failed"' <<<"$result" 2>/dev/null)" != true ]]; then
    echo "::error::The monitoring of $(basename "$file" .json) failed; its step Monitor has the message"
    failed=1
    continue
  fi
  while IFS= read -r alert; do
    publish "$alert"
  done < <(jq --compact-output '.alerts[]?' <<<"$result")
  if [[ "$(jq 'any(.periods[]?; .status == "failed")' <<<"$result")" == true ]]; then
    echo "::error::The outcomes of a period of $(basename "$file" .json) cannot be used; its step Monitor has the message"
    failed=1
  fi
done
exit "$failed"
