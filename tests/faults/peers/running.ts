/** Runs of a peer's program: a process per run, or a session that makes many. */
import { onEnd } from "../../support/cleanup.ts";

/** How to start a program. */
export interface PeerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A run that has been started. */
export interface PeerRun {
  /** Ends when it has imported its packages, and begins to write. */
  readonly isWriting: Promise<void>;
  /** Ends it at once, as when its machine dies; does nothing if it has ended. */
  kill(): void;
  readonly ended: Promise<PeerEnd>;
}

/** How a run ended. */
export interface PeerEnd {
  readonly isOk: boolean;
  /** How long it wrote; undefined if it failed. */
  readonly seconds: number | undefined;
  /** Its versions, or what it complained of. */
  readonly said: string;
}

/** Starts a program that prints `writing`, then the seconds that this took, then its versions. */
export function startProcess({ program, args, env }: PeerCommand): PeerRun {
  const child = new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  };
  const forget = onEnd(kill);
  const [first, all] = child.stdout.tee();
  const stderr = new Response(child.stderr).text();
  const stdout = new Response(all).text();
  return {
    isWriting: (async () => {
      const reader = first.getReader();
      await reader.read();
      reader.releaseLock(); // the cancellation of one of the two would wait for the other
    })(),
    kill,
    ended: child.status.then(async ({ success }) => {
      forget();
      const [, seconds, versions = ""] = (await stdout).split("\n");
      return success
        ? { isOk: true, seconds: Number(seconds), said: versions }
        : { isOk: false, seconds: undefined, said: await stderr };
    }),
  };
}

/** Sessions that are kept between runs. */
export interface Sessions extends Disposable {
  /** Lets an idle session, or a new one, write to a URL. */
  start(url: string): Promise<PeerRun>;
}

interface Session {
  readonly versions: string;
  /** Writes a line to its stdin. */
  send(line: string): Promise<void>;
  /** Returns the next line that it prints; undefined once it has ended. */
  next(): Promise<string | undefined>;
  kill(): void;
}

/** Opens no session yet; each is a program that prints the id of another process that ends with it, and its versions, then answers lines on its stdin. */
export function openSessions(command: PeerCommand): Sessions {
  const idle: Session[] = [];
  const all: Session[] = [];
  return {
    async start(url) {
      const session = idle.pop() ?? await openSession(command);
      if (!all.includes(session)) all.push(session);
      await session.send(url);
      const isWriting = session.next();
      let isKilled = false;
      return {
        isWriting: isWriting.then(() => {}),
        kill() {
          isKilled = true;
          session.kill();
          if (idle.includes(session)) idle.splice(idle.indexOf(session), 1);
        },
        ended: (async () => {
          await isWriting;
          const line = await session.next();
          if (line !== undefined && !isKilled) idle.push(session);
          const [, word, rest = ""] = /^(\S+) (.*)$/.exec(line ?? "") ?? [];
          return word === "done"
            ? { isOk: true, seconds: Number(rest), said: session.versions }
            : { isOk: false, seconds: undefined, said: line ?? "it has ended" };
        })(),
      };
    },
    [Symbol.dispose]() {
      for (const session of all) session.kill();
    },
  };
}

async function openSession(
  { program, args, env }: PeerCommand,
): Promise<Session> {
  const child = new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const pids = [child.pid];
  const kill = () => {
    forget();
    // Once: another process may get their numbers.
    for (const pid of pids.splice(0)) killProcess(pid);
  };
  const forget = onEnd(kill);
  const lines = readLines(child.stdout);
  const stdin = child.stdin.getWriter();
  const next = async () => (await lines.next()).value;
  const [, other, versions] = /^(\d+) (.*)$/.exec(await next() ?? "") ?? [];
  if (other === undefined || versions === undefined) {
    kill();
    throw new Error(`Cannot open a session: ${program} ${args[0]} ended`);
  }
  pids.unshift(Number(other));
  return {
    versions,
    send: (line) => stdin.write(new TextEncoder().encode(`${line}\n`)),
    next,
    kill,
  };
}

async function* readLines(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  return undefined;
}

function killProcess(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
