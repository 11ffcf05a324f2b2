/** What is known about the terminal that a command runs in. */
import { hasColor } from "./color.ts";

/** Width of text that goes elsewhere than to a terminal, and in one that does not tell its width. */
const usualColumns = 100;

/** Returns the width for text on stdout, in characters: that of the terminal, otherwise 100. */
export function outputColumns(): number {
  return (Deno.stdout.isTerminal() ? terminalColumns() : undefined) ??
    usualColumns;
}

/** Returns the width of the terminal, in characters; undefined if there is none, or it does not tell. */
export function terminalColumns(): number | undefined {
  try {
    return Deno.consoleSize().columns || undefined;
  } catch {
    return undefined; // neither input nor output is a terminal
  }
}

/** Returns whether results on stdout are shown in color. */
export function outputHasColor(): boolean {
  return hasColor(Deno.stdout.isTerminal(), Deno.env.toObject());
}

/** Returns whether messages on stderr are shown in color. */
export function messagesHaveColor(): boolean {
  return hasColor(Deno.stderr.isTerminal(), Deno.env.toObject());
}

/** Returns whether messages go to a terminal, so that somebody is likely to read them now. */
export function isWatched(): boolean {
  return Deno.stderr.isTerminal();
}
