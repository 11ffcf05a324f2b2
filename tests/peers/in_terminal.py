"""Runs a program in a terminal of its own and types one answer per question.

    in_terminal.py "first answer|second answer" program argument …

Types the next answer when the program has written nothing for half a second,
and prints what the terminal showed and the exit code.
"""

import os
import pty
import select
import sys
import time

answers = sys.argv[1].split("|")
program = sys.argv[2:]
QUIET_SECONDS = 0.5
LIMIT_SECONDS = 60
QUESTION = b"\x1b[?2026l"  # the line editor of Deno has drawn its line

child, terminal = pty.fork()
if child == 0:
    os.execvp(program[0], program)
shown = b""
last = time.monotonic()
while time.monotonic() - last < LIMIT_SECONDS:
    ready, _, _ = select.select([terminal], [], [], QUIET_SECONDS)
    try:
        if ready:
            text = os.read(terminal, 65536)
            if not text:
                break
            shown += text
            last = time.monotonic()
        elif answers and shown.endswith(QUESTION):
            os.write(terminal, answers.pop(0).encode() + b"\n")
            last = time.monotonic()
    except OSError:  # the program has ended
        break
print(shown.decode(errors="replace"))
print("exit code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
