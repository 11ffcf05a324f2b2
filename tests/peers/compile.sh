#!/bin/sh
# Pins every peer: NAME.in is what a person chose, NAME.txt all that it brings, exactly.
# Run by hand after changing an .in file: tests/peers/compile.sh
# NAME.newer.txt, where there is one, is written by hand: packages that ask for a newer Python and run on this one.
# NVIDIA's library is left out (300 MB): no test scores on a GPU.
set -eu
cd "$(dirname "$0")"
for input in *.in; do
  uv pip compile --quiet --no-annotate --no-emit-index-url --no-emit-find-links \
    --python-version 3.11 --no-emit-package nvidia-nccl-cu12 \
    --custom-compile-command "tests/peers/compile.sh" \
    "$input" --output-file "${input%.in}.txt"
done
