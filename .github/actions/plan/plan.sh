#!/usr/bin/env bash
# Asks scripts/matrix.ts for the matrix, and hands it to the workflow.
set -euo pipefail

# Quiet, because deno task prints its arguments, line breaks and all.
plan=$(deno task --quiet matrix --json \
  ${GEOGRAPHY:+--geography "$GEOGRAPHY"} \
  ${COMPANY:+--company "$COMPANY"} \
  ${CHANGED:+--changed "$CHANGED"}) || {
  code=$?
  # A line break in an input must not begin a workflow command of its own.
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
