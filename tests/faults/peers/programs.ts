/** What users would write in place of `predict`: programs that append scores to `peers.scores`, each from its tool's own documentation. */
import { fileURLToPath } from "node:url";
import {
  jdbcDriver,
  jdbcDriverVersion,
  requireJava,
} from "../../support/java.ts";
import { peerEnvironment, peerPrograms } from "../../support/python.ts";
import {
  openSessions,
  type PeerCommand,
  type PeerRun,
  startProcess,
} from "./running.ts";

/** A program that stores a batch. */
export interface Peer {
  /** Its name for `--only`. */
  readonly family: string;
  /** Its name in the table. */
  readonly subject: string;
  /** Its settings, for the remark. */
  readonly settings: string;
  /** True if it creates its table itself. */
  readonly makesTable: boolean;
  /** Throws if this machine lacks what it needs. */
  readonly check?: () => Promise<void>;
  /** Gets ready to write `rows` rows per run into a database `postgres`. */
  readonly open: (
    login: { user: string; password: string; rows: number },
  ) => Promise<PeerProgram>;
}

/** A program that is ready to run. */
export interface PeerProgram extends Disposable {
  /** Starts a run against Postgres, or a proxy before it, at a port; `folder` stays between a run and its repetition. */
  start(options: { port: number; folder: string }): Promise<PeerRun>;
}

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const pandas: Peer = {
  family: "pandas",
  subject: "pandas to_sql",
  settings: 'if_exists="append", one transaction, 3 attempts',
  makesTable: false,
  async open({ user, password, rows }) {
    const bin = await peerPrograms("mlflow-3.17.2");
    return inProcesses(({ port }) => ({
      program: `${bin}/python`,
      args: [
        file("to_sql.py"),
        `postgresql+psycopg2://${user}:${password}@127.0.0.1:${port}/postgres`,
        String(rows),
      ],
      env: peerEnvironment(bin),
    }));
  },
};

function dlt(disposition: "append" | "merge"): Peer {
  const key = disposition === "merge" ? ", primary_key player_id" : "";
  return {
    family: `dlt-${disposition}`,
    subject: `dlt ${disposition}`,
    settings:
      `write_disposition="${disposition}"${key}, 3 attempts, the working folder kept for the rerun`,
    makesTable: true,
    async open({ user, password, rows }) {
      const bin = await peerPrograms("dlt");
      return inProcesses(({ port, folder }) => ({
        program: `${bin}/python`,
        args: [file("load_dlt.py"), String(rows), disposition],
        env: peerEnvironment(bin, {
          DESTINATION__POSTGRES__CREDENTIALS:
            `postgresql://${user}:${password}@127.0.0.1:${port}/postgres`,
          DLT_DATA_DIR: folder,
          RUNTIME__DLTHUB_TELEMETRY: "false",
        }),
      }));
    },
  };
}

const spark: Peer = {
  family: "spark",
  subject: "Spark JDBC",
  settings:
    `JDBC driver ${jdbcDriverVersion}, local[2,3] (a task is tried 3 times), mode("append"), 8 partitions, batchsize 1,000 (the default); a session writes many times, and ends only when killed`,
  makesTable: false,
  check: requireJava,
  async open({ user, password, rows }) {
    const bin = await peerPrograms("spark");
    const jar = await jdbcDriver();
    const sessions = openSessions({
      program: `${bin}/python`,
      args: [file("write_spark.py"), String(rows), user, password, jar],
      env: peerEnvironment(bin, { SPARK_LOCAL_IP: "127.0.0.1" }),
    });
    return {
      start: ({ port }) =>
        sessions.start(`jdbc:postgresql://127.0.0.1:${port}/postgres`),
      [Symbol.dispose]: () => sessions[Symbol.dispose](),
    };
  },
};

/** A program that is started anew for each run. */
function inProcesses(
  toCommand: (options: { port: number; folder: string }) => PeerCommand,
): PeerProgram {
  return {
    start: (options) => Promise.resolve(startProcess(toCommand(options))),
    [Symbol.dispose]() {},
  };
}

/** All peers, in the order of the table. */
export const programs: readonly Peer[] = [
  pandas,
  dlt("append"),
  dlt("merge"),
  spark,
];
