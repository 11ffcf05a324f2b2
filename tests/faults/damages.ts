/** What a network, a proxy or an overloaded service does to one answer of S3 or Secrets Manager. */
import type { HttpAnswer, HttpRequest } from "../support/http_proxy.ts";

/** Returns the answer as it arrives; the same object if this damage does not apply to it. */
export type Damage = (exchange: {
  readonly request: HttpRequest;
  readonly answer: HttpAnswer;
  readonly random: () => number;
}) => HttpAnswer;

const bytesOf = (text: string) => new TextEncoder().encode(text);

function textAnswer(
  status: number,
  text: string,
  type: string,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  const body = bytesOf(text);
  return {
    status,
    headers: {
      ...headers,
      "content-type": type,
      "content-length": String(body.length),
    },
    body,
  };
}

const maintenance = "<html><body>Down for maintenance</body></html>";

/** Returns the part of an object's bytes that arrives; undefined if the answer has none. */
function cut(
  { request, answer, random }: Parameters<Damage>[0],
): Uint8Array<ArrayBuffer> | undefined {
  const isObject = request.method === "GET" && answer.body.length > 0 &&
    (answer.status === 200 || answer.status === 206);
  if (!isObject) return undefined;
  return answer.body.subarray(0, Math.floor(random() * answer.body.length));
}

/** Damages the bytes of an object; other answers arrive as they are. */
function ofObjects(
  damage: (
    part: Uint8Array<ArrayBuffer>,
    exchange: Parameters<Damage>[0],
  ) => HttpAnswer,
): Damage {
  return (exchange) => {
    const part = cut(exchange);
    return part ? damage(part, exchange) : exchange.answer;
  };
}

/** Answers with 5xx, as S3 or as a gateway does. */
const fail: Damage = ({ random }) => {
  const error = (status: number, code: string) =>
    textAnswer(
      status,
      `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`,
      "application/xml",
    );
  const kinds = [
    () => error(503, "SlowDown"),
    () => error(503, "ServiceUnavailable"),
    () => error(500, "InternalError"),
    () => textAnswer(502, maintenance, "text/html"),
    () => textAnswer(504, "", "text/plain"),
  ];
  return kinds[Math.floor(random() * kinds.length)]!();
};

/** Answers as Secrets Manager does when it is called too often. */
export const throttle: Damage = (): HttpAnswer =>
  textAnswer(
    400,
    '{"__type":"ThrottlingException","message":"Rate exceeded"}',
    "application/x-amz-json-1.1",
  );

/** The connection ends before the length is reached. */
const cutKeepingLength = ofObjects((body, { answer }) => ({ ...answer, body }));

/** The connection ends early, and no length says so. */
const cutWithoutLength = ofObjects((body, { answer }) => {
  const { "content-length": _, ...headers } = answer.headers;
  return { ...answer, headers, body };
});

/** A proxy states the length of what it has. */
const shorten = ofObjects((body, { answer }) => ({
  ...answer,
  headers: { ...answer.headers, "content-length": String(body.length) },
  body,
}));

/** The body stops, and the connection stays open. */
const stall: Damage = ({ answer, random }) => ({
  ...answer,
  body: answer.body.subarray(0, Math.floor(random() * answer.body.length)),
  then: "silence",
});

/** The body goes on at 20 bytes in a second. */
const drip = ofObjects((body, { answer }) => ({
  ...answer,
  body,
  then: "drip",
}));

/**
 * Flips one bit. S3 has no check of an object that was uploaded in parts without
 * a checksum of the whole; there, only TLS protects the bytes, so they are left.
 */
const flip = ofObjects((part, { request, answer, random }) => {
  const isChecked = !/-\d+"?$/.test(answer.headers.etag ?? "");
  if (!isChecked || request.path.endsWith("/parts")) return answer;
  const body = answer.body.slice();
  body[part.length]! ^= 1 << Math.floor(random() * 8);
  return { ...answer, body };
});

/** States a checksum and an ETag of other bytes. */
const misstate: Damage = ({ answer }) => {
  const checks = Object.entries(answer.headers).filter(([name]) =>
    name === "etag" || /^x-amz-checksum-(crc|sha)/.test(name)
  );
  if (checks.length === 0) return answer;
  const wrong = checks.map(([name, value]) => [
    name,
    value.replace(/[0-9a-zA-Z]/, (letter) => letter === "0" ? "1" : "0"),
  ]);
  return {
    ...answer,
    headers: { ...answer.headers, ...Object.fromEntries(wrong) },
  };
};

/** A page in place of the object. */
const page = ofObjects(() => textAnswer(200, maintenance, "text/html"));

/** A page in place of the object, with the object's other headers. */
const pageWithHeaders = ofObjects((_, { answer }) =>
  textAnswer(200, maintenance, "text/html", answer.headers)
);

export const damages: Readonly<
  Record<
    | "fail"
    | "cutKeepingLength"
    | "cutWithoutLength"
    | "shorten"
    | "stall"
    | "drip"
    | "flip"
    | "misstate"
    | "page"
    | "pageWithHeaders",
    Damage
  >
> = {
  fail,
  cutKeepingLength,
  cutWithoutLength,
  shorten,
  stall,
  drip,
  flip,
  misstate,
  page,
  pageWithHeaders,
};
