/**
 * Removes secrets from everything that is printed, logged, tagged or stored.
 * A secret is announced once, when it is read; from then on every text that
 * leaves the process goes through {@linkcode redact}.
 */

/** The replacement for a secret. */
const mark = "***";

/** Shorter secrets occur in ordinary words: redacting them would garble messages without protecting anything. */
const shortestSecret = 4;

const forms = new Set<string>();

/**
 * Announces a secret: {@linkcode redact} then replaces it and its
 * percent-encoded, JSON-escaped and base64 forms. Announcing it again has no
 * effect. Secrets under four characters cannot be distinguished from ordinary
 * text and are not redacted.
 *
 * @returns The secret, so that it can be announced where it is read; undefined if there is none.
 */
export function announceSecret<Secret extends string | undefined>(
  secret: Secret,
): Secret {
  if (secret === undefined || secret.length < shortestSecret) return secret;
  for (const form of formsOf(secret)) forms.add(form);
  return secret;
}

/**
 * Returns the text with every announced secret, in any of its forms, replaced by `***`.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * announceSecret("p@ss word");
 * strictEqual(redact("postgresql://u:p%40ss%20word@h/d"), "postgresql://u:***@h/d");
 * ```
 */
export function redact(text: string): string {
  let result = text;
  // Longest first, because a short secret may be part of a longer one.
  for (const form of [...forms].sort((a, b) => b.length - a.length)) {
    result = result.replaceAll(form, mark);
  }
  return result;
}

/**
 * Returns the text with the user, password and query string of every `http(s)`
 * and Postgres URI replaced by `***`, because either may contain a token that
 * was not announced.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(withoutUriSecrets("see https://me:pw@h/a?token=x, please"), "see https://***@h/a?***, please");
 * ```
 */
export function withoutUriSecrets(text: string): string {
  return text.replace(
    /\b((?:https?|postgres(?:ql)?(?:\+\w+)?):\/\/)([^\s"'`<>]+)/gi,
    (_, scheme: string, rest: string) =>
      scheme +
      rest.replace(/^[^/?#]*@/, `${mark}@`)
        .replace(/\?.*?(?=[,;.:)]*$)/, `?${mark}`),
  );
}

function formsOf(secret: string): string[] {
  const text = secret.toWellFormed(); // the encoders throw on a lone surrogate
  const escaped = JSON.stringify(secret).slice(1, -1);
  const encoded = [
    encodeURIComponent(text),
    encodeURI(text),
    new URLSearchParams([["", text]]).toString().slice(1),
    percentEncoded(text, ""),
    percentEncoded(text, "/"),
  ];
  return [
    secret,
    text,
    ...encoded,
    ...encoded.map(withLowerCaseEscapes),
    escaped,
    JSON.stringify(escaped).slice(1, -1),
    btoa(String.fromCharCode(...new TextEncoder().encode(text))),
  ];
}

/** Encodes as Python's `urllib.parse.quote` does: everything except RFC 3986's unreserved characters and `safe`. */
function percentEncoded(text: string, safe: string): string {
  return encodeURIComponent(text)
    .replace(
      /[!'()*]/g,
      (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
    )
    .replace(/%2F/g, safe === "/" ? "/" : "%2F");
}

function withLowerCaseEscapes(text: string): string {
  return text.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase());
}
