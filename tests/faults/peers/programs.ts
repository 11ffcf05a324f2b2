/** What users would write in place of `predict`: programs that append scores to `peers.scores`, each from its tool's own documentation. */
import { fileURLToPath } from "node:url";
import {
  jdbcDriver,
  jdbcDriverVersion,
  requireJava,
} from "../../support/java.ts";
import { peerEnvironment, peerPrograms } from "../../support/python.ts";
import type { PostgresServer } from "../../support/servers.ts";

/** How to start a program. */
export interface PeerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A program that stores a batch: it prints `writing`, then the seconds that this took, then its versions. */
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
  /** Returns the command that writes `rows` rows through a port to the server; `folder` stays between a run and its repetition. */
  readonly toCommand: (
    server: PostgresServer,
    options: { rows: number; port: number; folder: string },
  ) => Promise<PeerCommand>;
}

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const pandas: Peer = {
  family: "pandas",
  subject: "pandas to_sql",
  settings: 'if_exists="append", one transaction, 3 attempts',
  makesTable: false,
  async toCommand({ user, password }, { rows, port }) {
    const bin = await peerPrograms("mlflow-3.17.2");
    const url =
      `postgresql+psycopg2://${user}:${password}@127.0.0.1:${port}/postgres`;
    return {
      program: `${bin}/python`,
      args: [file("to_sql.py"), url, String(rows)],
      env: peerEnvironment(bin),
    };
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
    async toCommand({ user, password }, { rows, port, folder }) {
      const bin = await peerPrograms("dlt");
      return {
        program: `${bin}/python`,
        args: [file("load_dlt.py"), String(rows), disposition],
        env: peerEnvironment(bin, {
          DESTINATION__POSTGRES__CREDENTIALS:
            `postgresql://${user}:${password}@127.0.0.1:${port}/postgres`,
          DLT_DATA_DIR: folder,
          RUNTIME__DLTHUB_TELEMETRY: "false",
        }),
      };
    },
  };
}

const spark: Peer = {
  family: "spark",
  subject: "Spark JDBC",
  settings:
    `JDBC driver ${jdbcDriverVersion}, local[2,3] (a task is tried 3 times), mode("append"), 8 partitions, batchsize 1,000 (the default)`,
  makesTable: false,
  check: requireJava,
  async toCommand({ user, password }, { rows, port }) {
    const bin = await peerPrograms("spark");
    const jar = await jdbcDriver();
    return {
      // It becomes the Java process, which starts Python: a kill ends both, as when a machine dies.
      program: `${bin}/spark-submit`,
      args: [
        ...["--master", "local[2,3]"],
        ...["--driver-class-path", jar, "--jars", jar],
        ...["--conf", "spark.ui.enabled=false"],
        // Java's quick compiler and collector halve the time of a run of seconds.
        ...[
          "--driver-java-options",
          "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        ],
        file("write_spark.py"),
        String(rows),
        `jdbc:postgresql://127.0.0.1:${port}/postgres`,
        user,
        password,
      ],
      env: peerEnvironment(bin, { SPARK_LOCAL_IP: "127.0.0.1" }),
    };
  },
};

/** All peers, in the order of the table. */
export const programs: readonly Peer[] = [
  pandas,
  dlt("append"),
  dlt("merge"),
  spark,
];
