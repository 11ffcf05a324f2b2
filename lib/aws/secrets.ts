/** Database logins from AWS Secrets Manager: the only importer of `npm:@aws-sdk/client-secrets-manager`. */
import {
  GetSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import {
  awsClientSettings,
  explainAwsError,
  withCredentials,
} from "./client.ts";
import { UsageError } from "../base/errors.ts";
import { announceSecret } from "../base/redact.ts";

/** A database login as stored in its secret; parts that the secret omits are undefined. */
export interface DatabaseSecret {
  readonly username: string;
  readonly password: string;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly database: string | undefined;
}

/** Where Secrets Manager is. */
export interface SecretsSettings {
  readonly region: string;
  readonly endpoint?: string | undefined;
}

/**
 * Reads the login in the secret `name`, a JSON object with `username` and
 * `password` and optionally `host`, `port` and `dbname`. Registers the password
 * with the redactor.
 *
 * @throws {UsageError} If the secret does not exist, may not be read, or does not hold such an object.
 * @throws {TransientError} If Secrets Manager cannot be reached.
 */
export async function readDatabaseSecret(
  name: string,
  settings: SecretsSettings,
): Promise<DatabaseSecret> {
  const text = await readSecret(name, settings);
  return parseDatabaseSecret(text, { name });
}

async function readSecret(
  name: string,
  settings: SecretsSettings,
): Promise<string> {
  const call = withCredentials(() =>
    new SecretsManagerClient({
      ...awsClientSettings(settings.region),
      ...(settings.endpoint === undefined
        ? {}
        : { endpoint: settings.endpoint }),
    })
  );
  try {
    const { SecretString } = await call((client) =>
      client.send(new GetSecretValueCommand({ SecretId: name }))
    );
    if (SecretString === undefined) {
      throw new UsageError(
        `Cannot use the secret "${name}": it is binary, expected JSON text`,
      );
    }
    return SecretString;
  } catch (error) {
    if ((error as Error).name === "ResourceNotFoundException") {
      throw new UsageError(
        `Cannot find the secret "${name}" in Secrets Manager of region ${settings.region}; ` +
          `create it, or correct the setting that names it`,
      );
    }
    throw explainAwsError(error, `read the secret "${name}"`);
  }
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
  const fields = parseObject(text, options.name);
  const textOf = (key: string) => {
    const value = fields[key];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const need = (key: string) => {
    const value = textOf(key);
    if (value !== undefined) return value;
    throw new UsageError(
      `Cannot use the secret "${options.name}": its "${key}" is missing or not a text`,
    );
  };
  const port = Number(fields.port ?? NaN);
  if (
    fields.port !== undefined &&
    !(Number.isInteger(port) && port > 0 && port < 65536)
  ) {
    throw new UsageError(
      `Cannot use the secret "${options.name}": its "port" is not a number from 1 to 65535`,
    );
  }
  return {
    username: need("username"),
    password: announceSecret(need("password")),
    host: textOf("host"),
    port: fields.port === undefined ? undefined : port,
    database: textOf("dbname"),
  };
}

function parseObject(text: string, name: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) {
      return value as Record<string, unknown>;
    }
  } catch {
    // The parser's message would quote the secret.
  }
  throw new UsageError(
    `Cannot use the secret "${name}": it is not a JSON object {"username", "password", …}`,
  );
}
