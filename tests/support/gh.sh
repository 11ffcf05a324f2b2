#!/bin/bash
# In place of GitHub's gh: keeps the issues of a repository in the file $ISSUES, a
# JSON list. Whatever else it is asked to do, it does nothing.
set -euo pipefail

declare -A flags=()
words=()
while (($# > 0)); do
  case "$1" in
    --force) ;;
    --*) flags[${1#--}]=$2 && shift ;;
    *) words+=("$1") ;;
  esac
  shift
done

change() {
  jq "$@" "$ISSUES" >"$ISSUES.new"
  mv "$ISSUES.new" "$ISSUES"
}

case "${words[*]:0:2}" in
  "issue list")
    jq --arg name "${flags[label]}" --arg state "${flags[state]}" \
      'map(select(.label == $name and ($state == "all" or .state == ($state | ascii_upcase)))) | reverse' "$ISSUES"
    ;;
  "issue view")
    jq --argjson number "${words[2]}" '.[] | select(.number == $number)' "$ISSUES"
    ;;
  "issue create")
    change --arg title "${flags[title]}" --arg name "${flags[label]}" --rawfile body "${flags[body-file]}" \
      '. + [{ number: (length + 1), title: $title, label: $name, state: "OPEN", body: $body, comments: [] }]'
    ;;
  "issue comment")
    change --argjson number "${words[2]}" --rawfile body "${flags[body-file]}" \
      'map(if .number == $number then .comments += [{ body: $body }] else . end)'
    ;;
  "issue close")
    change --argjson number "${words[2]}" 'map(if .number == $number then .state = "CLOSED" else . end)'
    ;;
esac
