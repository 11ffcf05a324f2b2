/**
 * CSV: the fast way gives what the exact way gives, in blocks of any size; the
 * exact way splits records as Python's `csv` does and reads cells as
 * `pandas.read_csv` 3.1.1 does.
 */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { InputError, messageOf } from "../../lib/base/errors.ts";
import { cutCsv, encodeCsv, parseCsv } from "../../lib/rows/csv.ts";
import { missingTexts, readDecimal } from "../../lib/rows/csv-cells.ts";
import { type CsvHeader, readCsvHeader } from "../../lib/rows/csv-dialect.ts";
import {
  type EncodedBlock,
  type FeatureOptions,
  RowEncoder,
} from "../../lib/rows/encode.ts";
import { toFeatures } from "../../lib/rows/features.ts";
import type { InputRow } from "../../lib/rows/json.ts";
import { plainRecipe } from "../../lib/rows/recipe.ts";
import { moveDown, RowError } from "../../lib/rows/row-error.ts";
import { unpack } from "../../lib/rows/packed.ts";
import { blocksOf } from "../support/blocks.ts";
import { seededNumbers } from "../support/ensembles.ts";
import { mutate, type Random } from "../support/mutate.ts";
import { runPython, testWithPython } from "../support/python.ts";

const file = "week.csv";
const encode = (text: string) => new TextEncoder().encode(text);
const below = (random: Random, limit: number) => Math.floor(random() * limit);

function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[below(random, values.length)];
  ok(value !== undefined);
  return value;
}

const categories = ["US", "1.0", "7", "True", "nan", "Zürich", "NA"];
const options: FeatureOptions = {
  columns: [
    { name: "spend", type: "double" },
    { name: "months", type: "long" },
    { name: "vip", type: "boolean" },
    { name: "größe", type: "float" },
    {
      name: "plan",
      type: "string",
      labels: ["a", "b", "1"],
      unseen: "missing",
    },
    { name: "tier", type: "string", labels: [1, 2.5] },
    ...categories.map((category) => ({
      name: `brand_${category}`,
      type: "boolean",
    })),
  ],
  recipe: {
    oneHot: [{
      column: "brand",
      prefix: "brand_",
      categories,
      unknownLimit: 1,
    }],
    steps: [],
    missingValue: -999,
  },
  idColumn: "player_id",
  labelColumn: "churned",
  file,
};

/** Texts by column: most are valid there. */
const cells: Readonly<Record<string, readonly string[]>> = {
  player_id: [
    "007",
    "12",
    "ab-1",
    "",
    "NA",
    "null",
    "ø",
    "1.#IND",
    'a"b',
    "1e5",
  ],
  spend: [
    ...["0", "-0", "12.5", "+1", ".5", "1.", "1e5", "1E-05", "007", " 3", "4 "],
    ...["", "NA", "nan", "-999", "-999.0", "true", "FALSE", "16777217"],
    ...["0.30000001192092896", "123456789.12345678901234567890123"],
  ],
  months: ["0", "12", "4.0", "1e2", "", "9007199254740993", "True", "-3"],
  vip: ["True", "False", "true", "0", "1", "", "1.0", "N/A"],
  "größe": ["0.1", "0.6345393657684326", "3.4028234663852886e38", "1e-400"],
  plan: ["a", "b", "1", "c", "", "true"],
  tier: ["1", "2.5", "1.0", "", "+1"],
  brand: [
    "US",
    "1",
    "1.0",
    "7",
    "7.0",
    "true",
    "",
    "NA",
    "nan",
    "Zürich",
    "x,y",
  ],
  churned: ["0", "1", "true", "False", "1.0"],
  note: ["", "x", "a,b", 'say "hi"', "two\nlines", "'", "ø;|\t", "1,5"],
};

/** Texts that some column refuses. */
const strange: readonly string[] = [
  ...["1,5", "1,000.5", "inf", "-Infinity", "1e999", "x", "2", "0x10", "1_000"],
  ...["--1", "1e", "a\0b", " NA", "tRue", "9", "\u00a01", "4.5", '"', "'"],
];

/** One CSV file: its columns in any order, some absent, in some dialect. */
function someFile(random: Random): string {
  const isOptional = (name: string) => name === "note" || name === "plan";
  const names = Object.keys(cells)
    .filter((name) => !isOptional(name) || random() < 0.7)
    .sort(() => random() - 0.5);
  if (random() < 0.2) names.push("brand_US");
  const strangeness = pick(random, [0, 0, 0.01]);
  const delimiter = pick(random, [",", ";", "\t", "|"]);
  // Rows that differ in few cells are read by comparison.
  const likeness = pick(random, [0, 0.9]);
  const rows: string[][] = [];
  for (let count = below(random, 8); count > 0; count--) {
    const before = rows.at(-1);
    rows.push(names.map((name, at) => {
      if (random() < likeness && before) return before[at]!;
      if (random() < strangeness) return pick(random, strange);
      return pick(random, cells[name] ?? ["0", "1", ""]);
    }));
  }
  return write([names, ...rows], { random, delimiter });
}

function write(
  records: readonly (readonly string[])[],
  { random, delimiter, quote = '"' }: {
    random: Random;
    delimiter: string;
    quote?: string;
  },
): string {
  const newline = pick(random, ["\n", "\r\n"]);
  const quoteAll = random() < 0.2 || quote === "'";
  const lines = records.map((record) =>
    record.map((text) => {
      const mustQuote = /[\r\n]/.test(text) || text.includes(quote) ||
        text.includes(delimiter);
      return quoteAll || mustQuote || random() < 0.05
        ? quote + text.replaceAll(quote, quote + quote) + quote
        : text;
    }).join(delimiter)
  );
  const blank = random() < 0.1 ? `${newline}  ${newline}` : newline;
  return (random() < 0.1 ? "\ufeff" : "") + lines.join(blank) +
    (random() < 0.5 ? newline : "");
}

type Result = { value: EncodedBlock } | { error: string };

/** The result of a function, or the message of its InputError. */
function attempt(work: () => EncodedBlock): Result {
  try {
    const block = work();
    // The order of ignored columns means nothing.
    const extra = block.counts.extra.toSorted();
    return { value: { ...block, counts: { ...block.counts, extra } } };
  } catch (error) {
    ok(error instanceof InputError, String(error));
    return { error: messageOf(error) };
  }
}

function readHeader(bytes: Uint8Array): CsvHeader {
  const known = new Set(Object.keys(cells));
  return readCsvHeader(bytes, { file, last: true, known });
}

/** Rows in blocks of about `size` bytes, with their places in the file. */
function* rowsOf(
  bytes: Uint8Array,
  roles: FeatureOptions,
  size: number,
): Generator<InputRow> {
  const header = readHeader(bytes);
  let firstRow = 1;
  let firstLine = header.lines + 1;
  for (const block of blocksOf(bytes, cutCsv(header, { file }), size)) {
    const where = { firstRow, firstLine };
    for (const row of parseCsv(block, { file, header, roles, ...where })) {
      firstRow = row.number + 1;
      yield row;
    }
    firstLine += block.filter((byte) => byte === 10).length;
  }
}

/** Every row as an object, from the whole file as one block. */
function exact(bytes: Uint8Array): Result {
  return attempt(() => {
    const encoder = new RowEncoder(options);
    for (const { number, line, value } of rowsOf(bytes, options, 1e6)) {
      encoder.add(value, { file, row: number, line });
    }
    return encoder.finish();
  });
}

/** All blocks into one encoder, without objects. */
function fast(bytes: Uint8Array, size: number): Result {
  return attempt(() => {
    const header = readHeader(bytes);
    const encoder = new RowEncoder(options);
    let lines = header.lines;
    for (const block of blocksOf(bytes, cutCsv(header, { file }), size)) {
      try {
        lines += encodeCsv(block, encoder, { header });
      } catch (error) {
        if (!(error instanceof RowError)) throw error;
        throw new RowError(moveDown(error.problem, { rows: 0, lines }));
      }
    }
    return encoder.finish();
  });
}

Deno.test("encodeCsv() equals parseCsv() on generated files, in blocks of any size", () => {
  const random = seededNumbers(21);
  let accepted = 0;
  for (let i = 0; i < 3000; i++) {
    const text = someFile(random);
    const bytes = encode(text);
    const expected = exact(bytes);
    if ("value" in expected) accepted++;
    for (const size of [1, 1 + below(random, 60), 1e6]) {
      deepStrictEqual(fast(bytes, size), expected, text);
    }
  }
  ok(accepted > 1500 && accepted < 2900, `${accepted} accepted`);
});

Deno.test("encodeCsv() equals parseCsv() on 10,000 files with changed bytes", () => {
  const random = seededNumbers(22);
  let accepted = 0;
  const others = [encode('",;\n\r"\t|""'), encode("a,b\n1,2\n")];
  for (let i = 0; i < 10_000; i++) {
    const bytes = mutate(encode(someFile(random)), random, others);
    const expected = exact(bytes);
    if ("value" in expected) accepted++;
    const text = new TextDecoder().decode(bytes);
    deepStrictEqual(fast(bytes, 1 + below(random, 60)), expected, text);
    deepStrictEqual(fast(bytes, 1e6), expected, text);
  }
  ok(accepted > 2000 && accepted < 9000, `${accepted} accepted`);
});

Deno.test("parseCsv() gives the same rows, lines and texts in blocks of any size", () => {
  const random = seededNumbers(23);
  const roles = { columns: [], recipe: plainRecipe, idColumn: undefined, file };
  for (let i = 0; i < 1000; i++) {
    const bytes = encode(someFile(random));
    const expected = [...rowsOf(bytes, roles, 1e6)];
    for (const size of [1, 1 + below(random, 40)]) {
      deepStrictEqual([...rowsOf(bytes, roles, size)], expected);
    }
  }
});

/** All rows of a text. */
function read(text: string, roles: Partial<FeatureOptions> = {}): InputRow[] {
  return [...rowsOf(encode(text), {
    columns: [],
    recipe: plainRecipe,
    idColumn: undefined,
    file,
    ...roles,
  }, 1e6)];
}

Deno.test("A row's errors name row, line, column and what was found", () => {
  const columns = [
    { name: "a", type: "double" },
    { name: "b", type: "long" },
  ];
  const refused: [string, string][] = [
    ['1,2\n"1\n",2', '"1\\n"'],
    ["1,2\n1,5,2", "expected 2 cells, as in the header, found 3 cells"],
    ["1,2\n1", "expected 2 cells, as in the header, found 1 cell"],
    [
      "1,2\nx,2",
      'column "a": expected a number (double) or an empty cell, found "x"',
    ],
    ["1,2\n2,4.5", 'column "b": expected a whole number (long), found 4.5'],
    ["1,2\ninf,2", "a number that float32 can hold, found Infinity"],
    ["1,2\n1e39,2", "a number that float32 can hold, found 1e+39"],
    [
      '1,2\n"1,5",2',
      'found "1,5": write numbers with a decimal point and without thousands separators',
    ],
    [
      '1,2\n"1"x,2',
      'after a cell in quotes, found "x"; a quote inside such a cell is doubled',
    ],
    ['1,2\n1,"2', 'a cell begins with a quote (") that is not closed'],
    [
      "1,2\n1\r,2",
      "a carriage return outside of quotes; lines end with LF or CRLF",
    ],
  ];
  for (const [rows, message] of refused) {
    const text = `a,b\n\n${rows}\n`;
    const bytes = encode(text);
    throws(
      () =>
        toFeatures(read(text, { columns }), {
          ...options,
          columns,
          recipe: plainRecipe,
          labelColumn: undefined,
        }),
      (error) => {
        ok(error instanceof RowError, String(error));
        ok(error.message.includes(`${file}, row 2 (line 4)`), error.message);
        ok(error.message.includes(message), error.message);
        return true;
      },
    );
    const header = readHeader(bytes);
    const encoder = new RowEncoder({
      columns,
      recipe: plainRecipe,
      idColumn: undefined,
      file,
    });
    throws(
      () => encodeCsv(bytes.subarray(header.length), encoder, { header }),
      RowError,
    );
  }
  const broken = encode("a,b\n1,2\n1,\xff\n");
  broken[broken.indexOf(0xc3)] = 0xff;
  throws(
    () => [...rowsOf(broken, { ...options, columns }, 1e6)],
    /Cannot read week\.csv, row 2 \(line 3\): it is not UTF-8 text/,
  );
});

Deno.test("encodeCsv() sets bad rows aside with their text", () => {
  const bytes = encode('a,b\n1,2\n"x\ny",2\r\n\n1\n3,4\n');
  const header = readHeader(bytes);
  const columns = [{ name: "a", type: "double" }];
  const encoder = new RowEncoder({
    columns,
    recipe: plainRecipe,
    idColumn: undefined,
    file,
  });
  const bad: unknown[] = [];
  const lines = encodeCsv(bytes.subarray(header.length), encoder, {
    header,
    onBadRow: ({ error: { problem: { place } }, row, text }) =>
      bad.push([row, place.line, text]),
  });
  strictEqual(lines, 6);
  deepStrictEqual([...encoder.finish().matrix], [1, 3]);
  deepStrictEqual(bad, [[2, 2, '"x\ny",2'], [3, 5, "1"]]);
});

Deno.test("A wrong quote that may have swallowed rows is thrown, although bad rows are set aside", () => {
  const encodeAside = (text: string) => {
    const bytes = encode(text);
    const header = readHeader(bytes);
    const encoder = new RowEncoder({
      columns: [{ name: "a", type: "double" }],
      recipe: plainRecipe,
      idColumn: undefined,
      file,
    });
    const bad: number[] = [];
    encodeCsv(bytes.subarray(header.length), encoder, {
      header,
      onBadRow: ({ row }) => bad.push(row),
    });
    return { bad, matrix: [...encoder.finish().matrix] };
  };
  deepStrictEqual(encodeAside('a,b\n1,"x"y\n2,z\n'), {
    bad: [1],
    matrix: [2],
  });
  throws(
    () => encodeAside('a,b\n1,x\n2,"x\n3,y\n4,"z\n5,z\n'),
    /week\.csv, row 2 \(line 2\): expected a delimiter/,
  );
  throws(
    () => encodeAside('a,b\n1,x\n2,"x\n3,y\n'),
    /week\.csv, row 2 \(line 2\): a cell begins with a quote \("\) that is not closed/,
  );
});

Deno.test("A record larger than the limit is an error that asks for the quote", () => {
  const text = `a,b\n1,"${"x\n".repeat(100)}`;
  const bytes = encode(text);
  const cutter = cutCsv(readHeader(bytes), { file, maxBytes: 100 });
  throws(
    () => [...blocksOf(bytes, cutter, 16)],
    /week\.csv: the row at byte offset 4 is longer than 100 bytes: is a quote not closed\?/,
  );
});

Deno.test("readCsvHeader() finds delimiter, quote and names", () => {
  const found: [string, string, string[]][] = [
    ["a,b\n1,2\n", `2 columns, separated by ",", quoted by '"'`, ["a", "b"]],
    ["a;b\n1,5;2,5\n", `2 columns, separated by ";", quoted by '"'`, [
      "a",
      "b",
    ]],
    ["a\tb\n1\t\n", `2 columns, separated by a tab, quoted by '"'`, ["a", "b"]],
    ["a|b|c\n1|,|;\n", `3 columns, separated by "|", quoted by '"'`, [
      "a",
      "b",
      "c",
    ]],
    ["'a','b'\n'1','2,3'\n", `2 columns, separated by ",", quoted by "'"`, [
      "a",
      "b",
    ]],
    ["\n\ufeffa\n", `1 column, separated by ",", quoted by '"'`, ["\ufeffa"]],
    [
      "\ufeffa,b\r\n'x,y'\r\n1,'s\r\n",
      `2 columns, separated by ",", quoted by '"'`,
      ["a", "b"],
    ],
    ['"a;1";"b\n""c"""\n1;2', `2 columns, separated by ";", quoted by '"'`, [
      "a;1",
      'b\n"c"',
    ]],
    ["player_id\n1\n", `1 column, separated by ",", quoted by '"'`, [
      "player_id",
    ]],
    ["spend,0,1\n1,2,3\n", `3 columns, separated by ",", quoted by '"'`, [
      "spend",
      "0",
      "1",
    ]],
    ["a,b,c\n1,2,'3,4'\n", `3 columns, separated by ",", quoted by "'"`, [
      "a",
      "b",
      "c",
    ]],
    ["0,1,2\n1,2,3\n", `3 columns, separated by ",", quoted by '"'`, [
      "0",
      "1",
      "2",
    ]],
    ["a,b", `2 columns, separated by ",", quoted by '"'`, ["a", "b"]],
  ];
  for (const [text, sentence, names] of found) {
    const header = readHeader(encode(text));
    deepStrictEqual(header.names, names, text);
    strictEqual(header.sentence, `read as CSV: ${sentence}`, text);
  }
  const refused: [string | Uint8Array, RegExp][] = [
    ["1.5,x\n2,y\n", /line 1: expected a header.*found the value "1.5"/],
    ["\n\nx,True\n", /line 3: expected a header.*found the value "True"/],
    ["x,NA\n", /found the value "NA"/],
    [",a\n0,1\n", /column 1 of 2 has no name; .*to_csv\(index=False\)/],
    ["a,\n0,1\n", /column 2 of 2 has no name; the line ends with a delimiter/],
    ["a,,b\n0,1,2\n", /column 2 of 3 has no name$/],
    ["a,b,a\n", /two columns are named "a"/],
    ['a,"b\n', /line 1: a cell begins with a quote/],
    ["a,b\r1,2\r", /lines end with LF or CRLF/],
    ["", /it has none/],
    [" \n\n", /it has none/],
    [new Uint8Array([0xff, 0xfe, 97, 0]), /UTF-16 text; save it as UTF-8/],
    [
      new Uint8Array([97, 0, 1]),
      /line 1: expected CSV in UTF-8, found a NUL byte/,
    ],
    [
      new Uint8Array([97, 44, 0xe9, 10]),
      /line 1: expected CSV in UTF-8, found other bytes/,
    ],
  ];
  for (const [bytes, message] of refused) {
    throws(
      () => readHeader(typeof bytes === "string" ? encode(bytes) : bytes),
      (error) => {
        ok(error instanceof InputError);
        ok(message.test(error.message), error.message);
        return true;
      },
    );
  }
  throws(
    () => readCsvHeader(new Uint8Array(50), { file, last: false }),
    /found a NUL byte/,
  );
  throws(
    () => readCsvHeader(encode("a".repeat(50)), { file, last: false }),
    /found a line longer than 50 bytes/,
  );
});

testWithPython(
  "Records are split as Python's csv module splits them",
  async () => {
    const random = seededNumbers(24);
    const texts: readonly string[] = [
      "",
      "x",
      "1.5",
      'a"b',
      '"',
      "\n",
      "\r\n",
      ",;",
      "'",
      "ø",
      " ",
    ];
    const files = Array.from({ length: 500 }, () => {
      const width = 2 + below(random, 4);
      const names = Array.from({ length: width }, (_, n) => `c${n}`);
      const rows = Array.from(
        { length: below(random, 6) },
        () => names.map(() => pick(random, texts)),
      );
      const delimiter = pick(random, [",", ";", "\t", "|"]);
      const quote = pick(random, ['"', '"', "'"]);
      const text = write([names, ...rows], { random, delimiter, quote });
      return { delimiter, quote, text: text.replace(/\n {2}\r?\n/g, "\n") };
    });
    const { stdout } = await runPython(
      "xgboost",
      `
import csv, io, json, sys
files = json.loads(sys.argv[1])
print(json.dumps([list(csv.reader(io.StringIO(f["text"].removeprefix("\\ufeff"), newline=""), strict=True, delimiter=f["delimiter"], quotechar=f["quote"])) for f in files]))`,
      { args: [JSON.stringify(files)] },
    );
    const expected: string[][][] = JSON.parse(stdout);
    files.forEach(({ text }, index) => {
      const [names = [], ...rows] = (expected[index] ?? []).filter((row) =>
        row.length > 0
      );
      const found = read(text).map(({ value }) =>
        names.map((name) => value[name] ?? "")
      );
      const isMissing = new Set(missingTexts);
      deepStrictEqual(
        found,
        rows.map((row) => row.map((cell) => isMissing.has(cell) ? "" : cell)),
        text,
      );
    });
  },
);

testWithPython(
  "Texts become numbers and missing values as in pandas.read_csv(float_precision='round_trip')",
  async () => {
    const random = seededNumbers(25);
    const parts: readonly string[] = [
      "",
      "0",
      "1",
      "7",
      "12",
      "00",
      ".",
      "e",
      "E",
      "+",
      "-",
      " ",
      "e5",
      "e-3",
      "_",
      "x",
      "\t",
      "9999999999999999",
      "inf",
      "nan",
      "NA",
      "#N/A",
      "None",
      "n/a",
    ];
    const made = Array.from(
      { length: 3000 },
      () =>
        Array.from({ length: 1 + below(random, 4) }, () => pick(random, parts))
          .join(""),
    );
    const digits = Array.from({ length: 1500 }, () => {
      const text = (random() * 10 ** (below(random, 40) - 20)).toPrecision(
        1 + below(random, 25),
      );
      return random() < 0.5 ? text : text.replace("0.", ".");
    });
    const texts = [...new Set([...missingTexts, ...made, ...digits])];
    // One column per text, so that one text does not decide the type of another.
    const { stdout } = await runPython(
      "xgboost",
      `
import io, json, sys, numpy, pandas
def read(text):
    frame = pandas.read_csv(io.StringIO('a,b\\n"%s",x\\n' % text), float_precision="round_trip")
    cell = frame["a"][0]
    if isinstance(cell, str): return "text"
    if isinstance(cell, (bool, numpy.bool_)): return "boolean"
    if cell != cell: return "missing"
    return float(cell).hex()
print(json.dumps([read(text) for text in json.loads(sys.argv[1])]))`,
      { args: [JSON.stringify(texts)] },
    );
    const expected: string[] = JSON.parse(stdout);
    const missing = new Set(missingTexts);
    texts.forEach((text, index) => {
      const value = readDecimal(text);
      const found = missing.has(text)
        ? "missing"
        : value === undefined
        ? "text"
        : toHex(value);
      // pandas reads whole numbers as integers, which have no negative zero.
      const wanted = expected[index];
      const isZero = value === 0 &&
        (wanted === "0x0.0p+0" || wanted === "-0x0.0p+0");
      if (!isZero) strictEqual(found, wanted, JSON.stringify(text));
    });
  },
);

/** A double as Python's `float.hex()` writes it. */
function toHex(value: number): string {
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const exponent = Number(bits >> 52n);
  const digits = (bits & 0xfffffffffffffn).toString(16).padStart(13, "0");
  const power = exponent === 0 ? -1022 : exponent - 1023;
  const sign = power < 0 ? "-" : "+";
  return `${value < 0 ? "-" : ""}0x${exponent === 0 ? 0 : 1}.${digits}p${sign}${
    Math.abs(power)
  }`;
}

testWithPython(
  "Whole files become the float32 matrix that pandas makes of them",
  async () => {
    const random = seededNumbers(26);
    const columns = [
      { name: "spend", type: "double" },
      { name: "vip", type: "boolean" },
      { name: "brand_US", type: "boolean" },
      { name: "brand_Zürich, CH", type: "boolean" },
      { name: "tier_1.0", type: "boolean" },
      { name: "tier_2.0", type: "boolean" },
    ];
    const recipe = {
      oneHot: [
        {
          column: "brand",
          prefix: "brand_",
          categories: ["US", "Zürich, CH"],
          unknownLimit: 1,
        },
        {
          column: "tier",
          prefix: "tier_",
          categories: ["1.0", "2.0"],
          unknownLimit: 1,
        },
      ],
      steps: [],
      missingValue: undefined,
    };
    const idColumn = "player_id";
    const values: Readonly<Record<string, readonly string[]>> = {
      player_id: ["007", "a", "1e5", "NA", "", "0"],
      vip: ["True", "False"],
      brand: ["US", "Zürich, CH", "EU", "", "NA", "us"],
      tier: ["1", "2", "", "3", "+1", "2.0"],
    };
    const files = Array.from({ length: 40 }, () => {
      const names = ["spend", ...Object.keys(values)].sort(() =>
        random() - 0.5
      );
      const rows = Array.from({ length: 40 }, () =>
        names.map((name) => {
          if (name !== "spend") return pick(random, values[name] ?? []);
          const digits = (random() - 0.5) * 10 ** (below(random, 30) - 15);
          return pick(random, [
            "",
            "nan",
            digits.toPrecision(1 + below(random, 21)),
          ]);
        }));
      // A floating-point number makes pandas name the categories 1.0 and 2.0.
      rows.push(
        names.map((name) => name === "tier" ? "1.5" : values[name]?.[0] ?? "0"),
      );
      return write([names, ...rows], { random, delimiter: ";" });
    });
    const { stdout } = await runPython(
      "xgboost",
      `
import base64, io, json, sys, numpy, pandas
columns = json.loads(sys.argv[2])
def read(text):
    frame = pandas.read_csv(io.StringIO(text.removeprefix("\ufeff")), sep=";", dtype={"player_id": str}, float_precision="round_trip")
    ids = [None if cell != cell else cell for cell in frame["player_id"].astype(object)]
    frame = pandas.get_dummies(frame, columns=["brand", "tier"]).reindex(columns=columns, fill_value=0)
    return ids, base64.b64encode(frame.to_numpy(dtype=numpy.float32).tobytes()).decode()
print(json.dumps([read(text) for text in json.loads(sys.argv[1])]))`,
      {
        args: [
          JSON.stringify(files),
          JSON.stringify(columns.map(({ name }) => name)),
        ],
      },
    );
    const expected: [(string | null)[], string][] = JSON.parse(stdout);
    const roles = { columns, recipe, idColumn, file };
    files.forEach((text, index) => {
      const bytes = encode(text);
      const header = readHeader(bytes);
      const encoder = new RowEncoder(roles);
      encodeCsv(bytes.subarray(header.length), encoder, { header });
      const { matrix, ids } = encoder.finish();
      const [wantedIds, base64] = expected[index] ?? [[], ""];
      const wanted = new Float32Array(
        Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)).buffer,
      );
      deepStrictEqual(matrix, wanted, text);
      deepStrictEqual(ids && unpack(ids), wantedIds);
      deepStrictEqual(toFeatures(read(text, roles), roles).matrix, wanted);
    });
  },
);
