import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  announceSecret,
  redact,
  withoutUriSecrets,
} from "../../lib/base/redact.ts";
import { difficultPassword } from "../support/servers.ts";

// Each test announces a secret of its own: what was announced stays for the process.

Deno.test("redact() hides a secret in every form in which programs print it", () => {
  const secret = announceSecret(difficultPassword);
  // As Python 3.11's urllib.parse.quote(secret, safe="") and quote_plus(secret) give them.
  const python = {
    quote: "p%40ss%3Aw%2Frd%231%25%3F%26%27%22%5C%20%24%C3%A9%2541",
    quotePlus: "p%40ss%3Aw%2Frd%231%25%3F%26%27%22%5C+%24%C3%A9%2541",
  };
  const forms = {
    ...python,
    raw: secret,
    encodeURIComponent: encodeURIComponent(secret),
    encodeURI: encodeURI(secret),
    json: JSON.stringify({ secret }),
    jsonInJson: JSON.stringify(JSON.stringify({ secret })),
    base64: Buffer.from(secret).toString("base64"),
    lowerCase: python.quote.replace(/%../g, (escape) => escape.toLowerCase()),
  };
  for (const [name, text] of Object.entries(forms)) {
    const shown = redact(`before ${text} after`);
    ok(shown.startsWith("before ") && shown.endsWith(" after"), name);
    ok(shown.includes("***"), `${name}: ${shown}`);
    ok(
      !shown.includes("%40ss") && !shown.includes("p@ss"),
      `${name}: ${shown}`,
    );
  }
});

Deno.test("redact() hides every occurrence, and the whole of a secret that contains another", () => {
  announceSecret("hunter22");
  announceSecret("hunter22-and-more");
  strictEqual(
    redact("hunter22 hunter22-and-more hunter22"),
    "*** *** ***",
  );
});

Deno.test("redact() does not change other text, or secrets too short to distinguish from it", () => {
  announceSecret("");
  announceSecret("abc");
  const text = "abc def, 100 %, https://example.com/a?b=c";
  strictEqual(redact(text), text);
});

Deno.test("announceSecret() returns the secret, and accepts it twice", () => {
  strictEqual(announceSecret("twice-told"), "twice-told");
  announceSecret("twice-told");
  strictEqual(redact("(twice-told)"), "(***)");
});

Deno.test("announceSecret() accepts characters that are special in patterns and encodings", () => {
  const secrets = [
    "a.*b$1|(",
    "$& $` $'",
    "half \ud800 surrogate",
    "\0\n\t\x7f",
  ];
  for (const secret of secrets) announceSecret(secret);
  deepStrictEqual(
    secrets.map((secret) => redact(`<${secret}>`)),
    secrets.map(() => "<***>"),
  );
});

Deno.test("withoutUriSecrets() hides unannounced secrets in the URIs of a message", () => {
  const cases = {
    "Cannot reach https://h/a?token=canary: refused":
      "Cannot reach https://h/a?***: refused",
    "HTTP://canary:canary@h:80": "HTTP://***@h:80",
    "(https://canary@h/x?canary=1#canary)": "(https://***@h/x?***)",
    'at "postgresql+psycopg2://me:canary@h/d?password=canary"':
      'at "postgresql+psycopg2://***@h/d?***"',
    "https://a/?canary, https://b/?canary": "https://a/?***, https://b/?***",
    "s3://bucket/what?.json and models:/NAME@champion":
      "s3://bucket/what?.json and models:/NAME@champion",
    "https://h/api/2.0/mlflow": "https://h/api/2.0/mlflow",
  };
  for (const [message, expected] of Object.entries(cases)) {
    strictEqual(withoutUriSecrets(message), expected);
  }
});
