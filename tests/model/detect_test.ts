import { throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";

/** First bytes of unsupported files, as Latin-1, and the expected message. */
const unsupported: readonly [string, string, RegExp][] = [
  ["an empty file", "", /the file is empty/],
  [
    "XGBoost's old binary format",
    "binf\x00\x00\x00?\x2d\x00\x00\x00",
    /old binary format.*save it as UBJSON: booster\.save_model\('model\.ubj'\)/,
  ],
  ["a pickle of protocol 4", "\x80\x04\x95\x10", /pickle.*not loaded/],
  ["a pickle of protocol 0", "ccopy_reg\n_reconstructor\n", /pickle/],
  ["gzip", "\x1f\x8b\x08\x00", /gzip archive; unpack/],
  ["zip", "PK\x03\x04", /zip archive; unpack/],
  ["ONNX", "\x08\x08\x12\x10churn", /ONNX graph.*mlflow\.onnx\.log_model/],
  ["a dump", '[\n  { "nodeid": 0', /dump_model.*has no objective/],
  ["XML", '<?xml version="1.0"?><Error>', /XML or HTML.*download/],
  ["HTML", "<!DOCTYPE html>", /XML or HTML/],
  ["CatBoost", "CBM1\x00", /CatBoost.*format='onnx'/],
  ["something else", "hello", /the file starts with "hello"/],
];

for (const [name, start, message] of unsupported) {
  Deno.test(`parseModel() says what to do with ${name}`, () => {
    const bytes = Uint8Array.from(
      start,
      (character) => character.charCodeAt(0),
    );
    throws(() => parseModel(bytes), (error) => {
      return error instanceof InputError && message.test(error.message);
    });
  });
}
