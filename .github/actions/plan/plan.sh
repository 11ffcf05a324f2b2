#!/usr/bin/env bash
# Asks scripts/matrix.ts for the matrix, and hands it to the workflow.
set -euo pipefail

plan=$(deno task matrix --json \
  ${GEOGRAPHY:+--geography "$GEOGRAPHY"} \
  ${COMPANY:+--company "$COMPANY"} \
  ${CHANGED:+--changed "$CHANGED"}) || {
  code=$?
  echo "::error::$(jq --raw-output .error <<<"$plan")"
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
