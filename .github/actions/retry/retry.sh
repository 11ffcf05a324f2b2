#!/usr/bin/env bash
# Runs $COMMAND until it exits with anything but 75 (EX_TEMPFAIL: a service was
# unavailable), at most 1 + $RETRIES times, $DELAY_SECONDS apart. Every other
# failure is final: retrying bad data or a wrong setting cannot help.
set -uo pipefail

read -r -a words <<<"$COMMAND"
mkdir -p "$(dirname "$RESULT")"
trap 'echo "exit-code=$?" >>"${GITHUB_OUTPUT:-/dev/null}"' EXIT

# Shows the error from the JSON object on the run's page.
tell() {
  tail --lines 1 "$RESULT" | jq --raw-output '"::error::" + (.error | gsub("[\r\n]+"; " "))' 2>/dev/null || true
}

for ((attempt = 1; ; attempt++)); do
  "${words[@]}" | tee "$RESULT"
  code=${PIPESTATUS[0]}
  if ((code != 75)); then
    ((code == 0)) || tell
    exit "$code"
  fi
  if ((attempt > RETRIES)); then
    tell
    echo "::error::Gave up after $attempt attempts: a service was unavailable each time (exit code 75)"
    exit 75
  fi
  echo "::warning::Attempt $attempt of $((RETRIES + 1)) ended with exit code 75: a service was unavailable. Trying again in $DELAY_SECONDS s"
  sleep "$DELAY_SECONDS"
done
