/** Reads database logins from AWS Secrets Manager; the only importer of `npm:@aws-sdk/client-secrets-manager`. */
import {
  GetSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import {
  type AwsSettings,
  explainAwsError,
  withCredentials,
} from "./client.ts";
import { UsageError } from "../base/errors.ts";
import { announceSecret } from "../base/redact.ts";
import * as v from "../base/schema.ts";

/** A database login as stored in its secret; parts that the secret omits are undefined. */
export interface DatabaseSecret {
  readonly username: string;
  readonly password: string;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly database: string | undefined;
}

/**
 * Reads the login in the secret `name`, a JSON object with `username` and
 * `password` and optionally `host`, `port` and `dbname`. Registers the password
 * with the redactor.
 *
 * @throws {UsageError} If the secret does not exist, may not be read, or does not hold such an object.
 * @throws {TransientError} If Secrets Manager cannot be reached or is too slow.
 */
export async function readDatabaseSecret(
  name: string,
  settings: AwsSettings,
): Promise<DatabaseSecret> {
  const call = withCredentials(
    (config) => new SecretsManagerClient(config),
    settings,
  );
  const command = new GetSecretValueCommand({ SecretId: name });
  const { SecretString: text } = await call((client) => client.send(command))
    .catch((error) => {
      settings.signal?.throwIfAborted();
      if (error.name !== "ResourceNotFoundException") {
        throw explainAwsError(error, `read the secret "${name}"`);
      }
      throw new UsageError(
        `Cannot find the secret "${name}" in Secrets Manager of region ${settings.region}; ` +
          `create it, or correct the setting that names it`,
      );
    });
  if (text !== undefined) return parseDatabaseSecret(text, { name });
  throw new UsageError(
    `Cannot use the secret "${name}": it is binary, expected JSON text`,
  );
}

/**
 * Parses the login in a secret's text.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const secret = parseDatabaseSecret('{"username":"u","password":"p","port":"5433"}', { name: "s" });
 * strictEqual(secret.port, 5433);
 * ```
 *
 * @param options `name`: the secret's name, for errors.
 * @throws {UsageError} If the text is not JSON, or lacks username or password; the message never contains the text.
 */
export function parseDatabaseSecret(
  text: string,
  options: { name: string },
): DatabaseSecret {
  const secret = v.parseJson(databaseSecret, text, {
    file: `the secret "${options.name}"`,
    error: UsageError,
    isSecret: true,
  });
  return {
    username: secret.username,
    password: announceSecret(secret.password),
    host: secret.host || undefined,
    port: secret.port ?? undefined,
    database: secret.dbname || undefined,
  };
}

const text = v.pipe(v.string(), v.minLength(1, "a string that is not empty"));
const port = "a number from 1 to 65535";

const databaseSecret = v.object({
  username: text,
  password: text,
  host: v.nullish(v.string()),
  port: v.nullish(
    v.pipe(v.wholeNumber, v.minValue(1, port), v.maxValue(65535, port)),
  ),
  dbname: v.nullish(v.string()),
}, 'a JSON object {"username", "password", …}');
