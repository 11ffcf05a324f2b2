/** Logins in secrets: what is read, and that no error quotes a secret. */
import { deepStrictEqual, throws } from "node:assert/strict";
import { parseDatabaseSecret } from "../../lib/aws/secrets.ts";

const parse = (value: unknown) =>
  parseDatabaseSecret(JSON.stringify(value), { name: "db" });
const login = { username: "ada", password: "canary" };

Deno.test("parseDatabaseSecret() reads a login with or without a place", () => {
  deepStrictEqual(parse(login), {
    ...login,
    host: undefined,
    port: undefined,
    database: undefined,
  });
  const place = { host: "db.internal", port: "5433", dbname: "mlflow" };
  deepStrictEqual(parse({ ...login, ...place, engine: "postgres" }), {
    ...login,
    host: "db.internal",
    port: 5433,
    database: "mlflow",
  });
});

Deno.test("parseDatabaseSecret() says what is wrong without quoting the secret", () => {
  for (
    const [value, problem] of [
      ["canary", 'expected a JSON object {"username", "password", …}'],
      [["canary"], 'expected a JSON object {"username", "password", …}'],
      [{ username: "ada" }, "password should be a string, found nothing"],
      [{ ...login, password: 7 }, "password should be a string, found another"],
      [{ ...login, password: "" }, "password should be a string that is not"],
      [{ ...login, port: "canary" }, "port should be a whole number, found an"],
      [{ ...login, port: 70000 }, "port should be a number from 1 to 65535"],
      [
        { ...login, host: ["canary"] },
        "host should be a string, found another",
      ],
    ] as const
  ) {
    throws(() => parse(value), (error) => {
      const { name, message } = error as Error;
      return name === "UsageError" && !message.includes("canary") &&
        message.startsWith(`Cannot use the secret "db": ${problem}`);
    });
  }
  throws(() => parseDatabaseSecret("canary", { name: "db" }), {
    name: "UsageError",
    message: 'Cannot parse the secret "db": it is not JSON',
  });
});
