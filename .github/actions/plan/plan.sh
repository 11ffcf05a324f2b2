#!/usr/bin/env bash
# Gets the matrix from scripts/matrix.ts and passes it to the workflow.
set -euo pipefail

read -ra parts <<<"${DIMENSIONS:-}"
# --quiet, because deno task prints its arguments, including line breaks.
plan=$(deno task --quiet matrix --json \
  ${GEOGRAPHY:+--geography "$GEOGRAPHY"} \
  ${COMPANY:+--company "$COMPANY"} \
  "${parts[@]/#/--dimension=}" \
  ${CHANGED:+--changed "$CHANGED"}) || {
  code=$?
  # A line break in an input must not start a workflow command.
  jq --raw-output '"::error::" + (.error | gsub("[\r\n]+"; " "))' <<<"$plan"
  exit "$code"
}
count=$(jq '.jobs' <<<"$plan")
{
  echo "matrix=$(jq --compact-output '.matrix' <<<"$plan")"
  echo "count=$count"
} >>"$GITHUB_OUTPUT"

if ((count == 0)); then
  echo "::notice::Nothing to do: no variant is listed, or no model file changed"
fi
jq --raw-output '"### Plan: \(.jobs) job(s)", "", (.matrix.include[] | "- \(.title)")' <<<"$plan" >>"$GITHUB_STEP_SUMMARY"
