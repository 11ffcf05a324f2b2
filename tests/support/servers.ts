/** Real servers for the tests: each call starts its own on a free port and stops it on disposal. */
import { onEnd } from "./cleanup.ts";
import { peer } from "./python.ts";

/** A Postgres server of this test's own. */
export interface PostgresServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Folder of the server's programs (`psql`, `pg_dump`). */
  readonly bin: string;
  /** `postgresql://…` of one of its databases, with the password in it, percent-encoded. */
  url(database?: string): string;
  /** Stops the server; connections break. `immediate`, the default, is as a crash. */
  stop(mode?: "fast" | "immediate"): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
}

/** Every kind of character that breaks a careless URI, quoting or shell. */
export const difficultPassword = `p@ss:w/rd#1%?&'"\\ $é%41`;

/** A port that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A folder that goes away with its scope. */
export async function tempFolder(): Promise<
  { path: string } & AsyncDisposable
> {
  const path = await Deno.makeTempDir({ prefix: "churn-test-" });
  const forget = onEnd(() => Deno.removeSync(path, { recursive: true }));
  return {
    path,
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
      forget();
    },
  };
}

/**
 * Starts Postgres with one superuser `postgres` and `password`, on loopback. As
 * root the server runs as `nobody`, because Postgres refuses root.
 */
export async function startPostgres(
  options: {
    password?: string;
    settings?: Record<string, string>;
    tls?: { certificate: string; key: string };
  } = {},
): Promise<PostgresServer> {
  const { password = difficultPassword, settings = {} } = options;
  const bin = postgresPrograms();
  const folder = await Deno.makeTempDir({ prefix: "churn-postgres-" });
  const data = `${folder}/data`;
  const port = freePort();
  await Deno.writeTextFile(`${folder}/password`, password);
  if (options.tls) {
    await Deno.writeTextFile(`${folder}/server.crt`, options.tls.certificate);
    await Deno.writeTextFile(`${folder}/server.key`, options.tls.key, {
      mode: 0o600,
    });
  }
  const account = await serverAccount();
  if (account) {
    for (
      const path of [
        folder,
        ...[...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`),
      ]
    ) {
      await Deno.chown(path, account.uid, account.gid);
    }
  }
  const toProgram = (program: string, args: string[]) =>
    commandAs(account, `${bin}/${program}`, args, folder);
  const run = async (program: string, args: string[]) => {
    const { code } = await toProgram(program, args).output();
    if (code === 0) return;
    throw new Error(
      `${program} ${args.join(" ")} ended with exit code ${code}`,
    );
  };
  const toStop = (mode: string) => [
    ...["--pgdata", data, "--wait", "--silent", `--mode=${mode}`, "stop"],
  ];
  const forget = onEnd(() => {
    toProgram("pg_ctl", toStop("immediate")).outputSync();
    Deno.removeSync(folder, { recursive: true });
  });
  await run("initdb", [
    "--pgdata",
    data,
    "--username=postgres",
    `--pwfile=${folder}/password`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--no-sync",
  ]);
  const lines = Object.entries({
    listen_addresses: "'127.0.0.1'",
    port: String(port),
    unix_socket_directories: "''",
    fsync: "off",
    max_connections: "200",
    ...(options.tls
      ? {
        ssl: "on",
        ssl_cert_file: `'${folder}/server.crt'`,
        ssl_key_file: `'${folder}/server.key'`,
      }
      : {}),
    ...settings,
  }).map(([name, value]) => `${name} = ${value}\n`);
  await Deno.writeTextFile(`${data}/postgresql.conf`, lines.join(""), {
    append: true,
  });
  const start = () =>
    run("pg_ctl", [
      ...["--pgdata", data, "--wait", "--silent"],
      ...["--log", `${folder}/log`, "start"],
    ]);
  const stop = (mode = "immediate") => run("pg_ctl", toStop(mode));
  await start();
  return {
    host: "127.0.0.1",
    port,
    user: "postgres",
    password,
    bin,
    url: (database = "postgres") =>
      `postgresql://postgres:${
        encodeURIComponent(password)
      }@127.0.0.1:${port}/${database}`,
    stop,
    start,
    async [Symbol.asyncDispose]() {
      await stop().catch(() => {});
      await Deno.remove(folder, { recursive: true });
      forget();
    },
  };
}

/** Moto's server: S3 and Secrets Manager over HTTP, in memory. */
export interface MotoServer extends AsyncDisposable {
  readonly endpoint: string;
  /** What the AWS clients need in the environment to talk to it. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
  /** Starts an empty one on the same port. */
  start(): Promise<void>;
}

/** Starts moto's server on a free port and waits until it answers. */
export async function startMoto(): Promise<MotoServer> {
  const python = await peer("moto");
  const port = freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  let child: Deno.ChildProcess | undefined;
  const start = async () => {
    child = new Deno.Command(python, {
      args: ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)],
      stdout: "null",
      stderr: "null",
    }).spawn();
    await untilAnswers(`${endpoint}/moto-api/`);
  };
  const stop = async () => {
    child?.kill("SIGKILL");
    await child?.status;
    child = undefined;
  };
  const forget = onEnd(() => child?.kill("SIGKILL"));
  await start();
  return {
    endpoint,
    env: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: "testing",
      AWS_SECRET_ACCESS_KEY: "testing-secret-access-key",
      AWS_REGION: "us-east-1",
      AWS_EC2_METADATA_DISABLED: "true",
    },
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      forget();
    },
  };
}

/** Waits until a GET is answered with any status under 500; throws after `timeoutMs`. */
export async function untilAnswers(
  url: string,
  timeoutMs = 60_000,
): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
      await response.body?.cancel();
      if (response.status < 500) return;
    } catch {
      // Not listening yet.
    }
    if (Date.now() > deadlineMs) {
      throw new Error(
        `Cannot reach ${url}: no response within ${timeoutMs} ms`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Newest Postgres on this machine, by Debian's layout, Homebrew's, or the PATH. */
function postgresPrograms(): string {
  const roots = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];
  const folders = roots.flatMap((root) => {
    try {
      return [...Deno.readDirSync(root)].map(({ name }) =>
        `${root}/${name}/bin`
      );
    } catch {
      return [];
    }
  });
  const paths = (Deno.env.get("PATH") ?? "").split(":");
  const found = [...folders.sort().reverse(), ...paths].find((folder) =>
    isFile(`${folder}/initdb`)
  );
  if (!found) {
    throw new Error(
      "Cannot find Postgres's server programs (initdb): install them, such as `apt-get install postgresql`",
    );
  }
  return found;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** `nobody` when the tests run as root, else undefined: run as whoever we are. */
async function serverAccount(): Promise<Account | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const passwd = await Deno.readTextFile("/etc/passwd");
  const fields = passwd.split("\n").map((line) => line.split(":")).find((
    [name],
  ) => name === "nobody");
  return {
    uid: Number(fields?.[2] ?? 65534),
    gid: Number(fields?.[3] ?? 65534),
  };
}

function commandAs(
  account: Account | undefined,
  program: string,
  args: string[],
  cwd: string,
): Deno.Command {
  return new Deno.Command(program, {
    args,
    cwd,
    stdin: "null",
    // A server that inherits a pipe would keep it open for ever.
    stdout: "null",
    stderr: "null",
    env: { LC_ALL: "C.UTF-8" },
    ...account,
  });
}
