#!/usr/bin/env bash
# Adds the repository variables that the scripts know to the job's environment.
# Fails if nothing is configured: the embedded default would score into a
# database that is deleted with the job, and the job would still be green.
set -euo pipefail

known='^(MLFLOW_|CHURN_HOSTS$|CHURN_ALERT_REMINDER_DAYS$|PREDICTIONS_SECRET_NAME$|PGSSL|AWS_ENDPOINT_URL)'
found=$(jq --raw-output --arg known "$known" '
  to_entries[] | select(.key | test($known)) | select(.value != "")
  | "\(.key)=\(.value | gsub("[\r\n]"; ""))"' <<<"$SETTINGS")

if ! grep --quiet --extended-regexp '^MLFLOW_(SECRET_NAME|TRACKING_URI)=' <<<"$found"; then
  echo "::error::Cannot reach any service: set the variable MLFLOW_SECRET_NAME or MLFLOW_TRACKING_URI (docs/services.md lists all)"
  exit 2
fi
echo "$found" >>"$GITHUB_ENV"

# RDS certificates are signed by Amazon's own CA; the bundle is at a public URL.
certificate=$(sed -n 's/^PGSSLROOTCERT=https:/https:/p' <<<"$found")
if [[ -n "$certificate" ]]; then
  curl --fail --silent --show-error --retry 3 --output "$RUNNER_TEMP/postgres-ca.pem" "$certificate"
  echo "PGSSLROOTCERT=$RUNNER_TEMP/postgres-ca.pem" >>"$GITHUB_ENV"
fi
