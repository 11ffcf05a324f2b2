#!/usr/bin/env bash
# Creates a change set of one template for one stage, and shows it in the step
# summary; sets no output if there is nothing to change.
# Needs STACK (churn, batch), STAGE (dev, prod), SERVICE_ROLE and AWS credentials.
set -euo pipefail

name="churn-$STAGE-$STACK"
change_set="run-$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT"

# A stack that was never completed is created, any other is updated.
status=$(aws cloudformation describe-stacks --stack-name "$name" \
  --query 'Stacks[0].StackStatus' --output text 2>/dev/null || echo NONE)
case "$status" in
  NONE | REVIEW_IN_PROGRESS) type=CREATE ;;
  *) type=UPDATE ;;
esac

aws cloudformation create-change-set --stack-name "$name" --change-set-name "$change_set" \
  --change-set-type "$type" --role-arn "$SERVICE_ROLE" --capabilities CAPABILITY_NAMED_IAM \
  --template-body "file://infrastructure/$STACK.yaml" \
  --parameters "file://infrastructure/parameters/$STAGE-$STACK.json" >/dev/null

describe() {
  aws cloudformation describe-change-set --stack-name "$name" --change-set-name "$change_set" "$@"
}
if ! aws cloudformation wait change-set-create-complete --stack-name "$name" --change-set-name "$change_set"; then
  reason=$(describe --query StatusReason --output text)
  if [[ "$reason" == *"didn't contain changes"* || "$reason" == *"No updates are to be performed"* ]]; then
    echo "No changes to $name." | tee -a "$GITHUB_STEP_SUMMARY"
    exit 0
  fi
  echo "::error::Cannot make a change set of $name: $reason"
  exit 1
fi

{
  echo "### Changes to $name"
  echo
  echo "| action | resource | type | replaced |"
  echo "|---|---|---|---|"
  describe --output json | jq --raw-output \
    '.Changes[].ResourceChange | "| \(.Action) | \(.LogicalResourceId) | \(.ResourceType) | \(.Replacement // "-") |"'
} | tee -a "$GITHUB_STEP_SUMMARY"
echo "change-set=$change_set" >>"$GITHUB_OUTPUT"
