/** The checks of S3 against published values, and large objects of S3 against each of them. */
import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { TransientError } from "../../lib/base/errors.ts";
import {
  type Crc,
  openCrc32,
  openCrc32c,
  openCrc64nvme,
} from "../../lib/storage/crc.ts";
import { openS3 } from "../../lib/storage/s3.ts";
import { setEnvironment } from "../support/environment.ts";
import { answer, startFaults } from "../support/faults.ts";

const digits = new TextEncoder().encode("123456789");
const zeros = (length: number) => new Uint8Array(length);
const ones = (length: number) => new Uint8Array(length).fill(0xff);
const rising = (length: number) => Uint8Array.from({ length }, (_, at) => at);
const falling = (length: number) =>
  Uint8Array.from({ length }, (_, at) => 255 - at);

/**
 * `check` of the CRC catalogue (https://reveng.sourceforge.io/crc-catalogue/);
 * RFC 3720, appendix B.4, for CRC-32C; the test cases of the NVM Command Set
 * Specification 1.0b, section 5.2.1.3.5, for CRC-64.
 */
const published: [() => Crc, Uint8Array, string][] = [
  [openCrc32, digits, "cbf43926"],
  [openCrc32c, digits, "e3069283"],
  [openCrc32c, zeros(32), "8a9136aa"],
  [openCrc32c, ones(32), "62a8ab43"],
  [openCrc32c, rising(32), "46dd794e"],
  [openCrc32c, rising(32).reverse(), "113fdb5c"],
  [openCrc64nvme, digits, "ae8b14860a799888"],
  [openCrc64nvme, zeros(4096), "6482d367eb22b64e"],
  [openCrc64nvme, ones(4096), "c0ddba7302eca3ac"],
  [openCrc64nvme, rising(4096), "3e729f5f6750449c"],
  [openCrc64nvme, falling(4096), "9a2df64b8e9e517e"],
];

Deno.test("checks have their published values, whatever the pieces", () => {
  for (const [open, bytes, expected] of published) {
    for (let piece = 1; piece <= 20; piece++) {
      const crc = open();
      for (let at = 0; at < bytes.length; at += piece) {
        crc.update(bytes.subarray(at, at + piece));
      }
      const hex = Uint8Array.fromBase64(crc.digest()).toHex();
      strictEqual(hex, expected, `${open.name} in pieces of ${piece}`);
    }
  }
});

/** Larger than one range, and not a multiple of eight bytes. */
const text = "0123456789abcdef".repeat(600_000) + "end";
const at = 9_000_000;
const flipped = `${text.slice(0, at)}!${text.slice(at + 1)}`;

const bytes = new TextEncoder().encode(text);
const crc = (open: () => Crc) => {
  const check = open();
  check.update(bytes);
  return check.digest();
};
const hash = (name: string) => createHash(name).update(bytes);
const noMd5 = { etag: '"00000000000000000000000000000000-2"' };

const checks: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "CRC-32": { ...noMd5, "x-amz-checksum-crc32": crc(openCrc32) },
  "CRC-32C": { ...noMd5, "x-amz-checksum-crc32c": crc(openCrc32c) },
  "CRC-64/NVME": { ...noMd5, "x-amz-checksum-crc64nvme": crc(openCrc64nvme) },
  "SHA-1": { ...noMd5, "x-amz-checksum-sha1": hash("sha1").digest("base64") },
  "SHA-256": {
    ...noMd5,
    "x-amz-checksum-sha256": hash("sha256").digest("base64"),
  },
  MD5: { etag: `"${hash("md5").digest("hex")}"` },
};

/** Streams the object that S3 answers with these headers and this content; the checks are in the answer to HEAD. */
async function stream(
  headers: Readonly<Record<string, string>>,
  content: string,
): Promise<number> {
  await using server = startFaults((request) => {
    const [, first, end] = /range: bytes=(\d+)-(\d+)/i.exec(request) ?? [];
    if (first === undefined) {
      return { bytes: answer(200, "", { length: content.length, headers }) };
    }
    const last = Math.min(Number(end), content.length - 1);
    return {
      bytes: answer(206, content.slice(Number(first), last + 1), {
        headers: {
          etag: headers.etag!,
          "content-range": `bytes ${first}-${last}/${content.length}`,
        },
      }),
    };
  });
  const store = openS3("s3://bucket", {
    region: "us-east-1",
    endpoint: server.endpoint,
  });
  await using file = await store.open("large");
  let length = 0;
  for await (const piece of file!.stream()) length += piece.length;
  return length;
}

Deno.test("openS3() compares a large object with each check that S3 has of it", async (t) => {
  using _ = setEnvironment({
    AWS_ACCESS_KEY_ID: "testing",
    AWS_SECRET_ACCESS_KEY: "testing",
  });
  for (const [name, headers] of Object.entries(checks)) {
    await t.step(name, async () => {
      strictEqual(await stream(headers, text), text.length);
      await rejects(stream(headers, flipped), (error) => {
        ok(error instanceof TransientError, String(error));
        match(error.message, /the content does not match the object/);
        ok(error.message.includes(`expected the ${name} `), error.message);
        return true;
      });
    });
  }
  await t.step("a checksum that agrees, and an MD5 that does not", async () => {
    const headers = { ...checks["CRC-32"], etag: `"${"0".repeat(32)}"` };
    await rejects(stream(headers, text), /expected the MD5 0{32}, found/);
  });
});
