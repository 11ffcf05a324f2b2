/** The cyclic redundancy checks with which S3 protects objects, computed piece by piece. */
import { crc32 } from "node:zlib";

/** A check value of the bytes so far. */
export interface Crc {
  update(bytes: Uint8Array): void;
  /** Returns the value as S3 writes it: base64 of its bytes, the highest first. */
  digest(): string;
}

/** Starts a CRC-32 (`CRC-32/ISO-HDLC` of the catalogue at https://reveng.sourceforge.io/crc-catalogue/). */
export function openCrc32(): Crc {
  let crc = 0;
  return {
    update: (bytes) => crc = crc32(bytes, crc),
    digest: () => toBase64(crc),
  };
}

/** Starts a CRC-32C (`CRC-32/ISCSI`). */
export function openCrc32c(): Crc {
  return openReflected(crc32cTables ??= tablesOf(0x82f63b78n), 32);
}

/** Starts a CRC-64 (`CRC-64/NVME`). */
export function openCrc64nvme(): Crc {
  return openReflected(crc64Tables ??= tablesOf(0x9a6c9329ac4bc9b5n), 64);
}

/** Computed on first use. */
let crc32cTables: readonly Uint32Array[] | undefined;
let crc64Tables: readonly Uint32Array[] | undefined;

/**
 * Returns the eight tables of the slicing-by-8 method (Kounavis and Berry, "A
 * Systematic Approach to Building High Performance Software-based CRC
 * Generators", 2005) for a polynomial with its bits reversed. Table `n` maps a
 * byte to the remainder of the byte followed by `n` zero bytes: the high 32
 * bits, then the low ones.
 */
function tablesOf(polynomial: bigint): Uint32Array[] {
  return Array.from({ length: 8 }, (_, zeros) => {
    const table = new Uint32Array(512);
    for (let byte = 0; byte < 256; byte++) {
      let crc = BigInt(byte);
      for (let bit = 0; bit < 8 * (zeros + 1); bit++) {
        crc = crc & 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
      }
      table[2 * byte] = Number(crc >> 32n);
      table[2 * byte + 1] = Number(crc & 0xffffffffn);
    }
    return table;
  });
}

/** Starts a CRC that begins and ends with all bits inverted. The state has two halves because numbers have no 64 bits; of a CRC with 32 bits, the high half remains 0. */
function openReflected(
  tables: readonly Uint32Array[],
  bits: 32 | 64,
): Crc {
  let high = bits === 64 ? 0xffffffff : 0;
  let low = 0xffffffff;
  return {
    update(bytes) {
      const end = bytes.length - bytes.length % 8;
      for (let at = 0; at < end; at += 8) {
        const first = low ^ word(bytes, at);
        const second = high ^ word(bytes, at + 4);
        high = low = 0;
        for (let index = 0; index < 4; index++) {
          const near = 2 * ((first >>> (8 * index)) & 255);
          const far = 2 * ((second >>> (8 * index)) & 255);
          high ^= tables[7 - index]![near]! ^ tables[3 - index]![far]!;
          low ^= tables[7 - index]![near + 1]! ^ tables[3 - index]![far + 1]!;
        }
      }
      for (const byte of bytes.subarray(end)) {
        const entry = 2 * ((low ^ byte) & 255);
        low = ((low >>> 8) | (high << 24)) ^ tables[0]![entry + 1]!;
        high = (high >>> 8) ^ tables[0]![entry]!;
      }
    },
    digest: () =>
      bits === 64
        ? toBase64(high ^ 0xffffffff, low ^ 0xffffffff)
        : toBase64(low ^ 0xffffffff),
  };
}

/** Returns four bytes as a number, the lowest first. */
function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) |
    (bytes[at + 3]! << 24);
}

function toBase64(...words: number[]): string {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => view.setUint32(4 * index, word));
  return bytes.toBase64();
}
