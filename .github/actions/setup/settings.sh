#!/usr/bin/env bash
# Makes the repository's variables that the scripts know part of the job's
# environment. Refuses a repository where nothing is configured: the embedded
# default would score into a database that ends with the job, and look green.
set -euo pipefail

known='^(MLFLOW_|PREDICTIONS_SECRET_NAME$|PGSSL|AWS_ENDPOINT_URL)'
settings=$(jq --raw-output --arg known "$known" '
  to_entries[] | select(.key | test($known)) | select(.value != "")
  | "\(.key)=\(.value | gsub("[\r\n]"; ""))"' <<<"$SETTINGS")

if ! grep --quiet --extended-regexp '^MLFLOW_(SECRET_NAME|TRACKING_URI)=' <<<"$settings"; then
  echo "::error::Cannot reach any service: set the variable MLFLOW_SECRET_NAME or MLFLOW_TRACKING_URI (docs/operations.md lists all)"
  exit 2
fi
echo "$settings" >>"$GITHUB_ENV"

# RDS signs with a CA of its own, whose bundle has a public address. It goes
# into the project's folder, which is all that the scripts may read.
certificate=$(sed -n 's/^PGSSLROOTCERT=https:/https:/p' <<<"$settings")
if [[ -n "$certificate" ]]; then
  curl --fail --silent --show-error --retry 3 --output .postgres-ca.pem "$certificate"
  echo "PGSSLROOTCERT=.postgres-ca.pem" >>"$GITHUB_ENV"
fi
