import { match, throws } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { InputError } from "../../lib/base/errors.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import { describeFolder } from "../../lib/model/formats/unreadable.ts";

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
  [
    "a pickle of scikit-learn",
    "\x80\x02csklearn.ensemble._forest\nRandomForestClassifier\nq\x00",
    /pickle of sklearn\.ensemble\._forest\.RandomForestClassifier.*to_onnx\(m, numpy\.zeros\(\(1, m\.n_features_in_\)/,
  ],
  [
    "a pipeline of LightGBM",
    "\x80\x04\x95\x00\x00\x8c\x10sklearn.pipeline\x94\x8c\x08Pipeline\x94\x93lightgbm.sklearn",
    /pickle of sklearn\.pipeline\.Pipeline.*holds a model of lightgbm/,
  ],
  [
    "PyTorch's old checkpoint",
    "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02ctorch._utils\n_rebuild_tensor_v2\n",
    /pickle of torch.*torch\.onnx\.export/,
  ],
  ["gzip", "\x1f\x8b\x08\x00", /gzip archive; unpack/],
  ["a truncated zip", "PK\x03\x04", /truncated or damaged zip/],
  ["bzip2", "BZh91AY&SY", /compressed with bzip2.*joblib/],
  ["xz", "\xfd7zXZ\x00\x00\x04", /compressed with xz/],
  ["zstd", "\x28\xb5\x2f\xfd\x04", /compressed with zstd/],
  ["lz4", "\x04\x22\x4d\x18d", /compressed with lz4/],
  ["7z", "7z\xbc\xaf\x27\x1c", /archive; unpack it first/],
  ["tar", `model/${"\x00".repeat(251)}ustar\x0000`, /archive; unpack/],
  ["ONNX", "\x08\x08\x12\x10churn", /ONNX graph, expected a model of XGB/],
  [
    "a SavedModel",
    "\x08\x01\x12\xf0\x0b\x0a\x10\x22\x05serve",
    /saved_model\.pb of a TensorFlow SavedModel.*tf2onnx\.convert --saved-model/,
  ],
  [
    "TensorFlow Lite",
    "\x1c\x00\x00\x00TFL3\x14\x00",
    /TensorFlow Lite.*tf2onnx\.convert --tflite/,
  ],
  [
    "onnxruntime's format",
    "\x30\x00\x00\x00ORTM\x00",
    /onnxruntime's own format.*log the \.onnx file/,
  ],
  ["HDF5", "\x89HDF\r\n\x1a\n\x00", /HDF5, as Keras.*\.export\('model\.onnx'/],
  [
    "safetensors",
    '\x58\x00\x00\x00\x00\x00\x00\x00{"weight":{"dtype":"F32"',
    /safetensors: weights without the model.*torch\.onnx\.export.*dynamic_axes/,
  ],
  ["an R object", "X\n\x00\x00\x00\x03", /R object.*xgb\.save\(model/],
  ["R's workspace", "RDX3\nX\n", /R object.*lgb\.save/],
  ["a NumPy array", "\x93NUMPY\x01\x00v\x00", /NumPy array, not a model/],
  ["Parquet", "PAR1\x15\x04", /Parquet, which holds rows/],
  ["a Java object", "\xac\xed\x00\x05sr", /serialized Java object/],
  [
    "a pointer of Git LFS",
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a",
    /pointer of Git LFS.*git lfs pull/,
  ],
  ["a dump", '[\n  { "nodeid": 0', /dump_model.*has no objective/],
  ["a text dump", "booster[0]:\n0:[f0<1.5]", /dump_model.*has no objective/],
  [
    "LightGBM's JSON",
    '{"name":"tree","version":"v4","num_class":1',
    /LightGBM's dump_model\(\).*booster_\.save_model\('model\.txt'\)/,
  ],
  [
    "CatBoost's JSON",
    '{"features_info":{"float_features":[]',
    /CatBoost model in JSON.*format='json'.*format='onnx'/,
  ],
  [
    "PMML",
    '<?xml version="1.0"?>\n<PMML version="4.4">',
    /PMML; no tool converts it back/,
  ],
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
      return error instanceof InputError && message.test(error.message) ||
        error;
    });
  });
}

/** What is inside a compressed file decides. */
const gzipped: readonly [string, string, RegExp][] = [
  ["R object", "X\n\x00\x00\x00\x03\x00\x04", /R object.*xgb\.save/],
  ["LightGBM model", "tree\nversion=v4\n", /gzip archive of a LightGBM model/],
  [
    "joblib file",
    "\x80\x04\x95\x00\x8c\x10lightgbm.sklearn\x94\x8c\x0eLGBMClassifier\x94\x93",
    /joblib file of lightgbm\.sklearn\.LGBMClassifier.*joblib\.load.*booster_/,
  ],
];

for (const [name, content, message] of gzipped) {
  Deno.test(`parseModel() looks into a gzip of a ${name}`, () => {
    const bytes = Uint8Array.from(
      content,
      (character) => character.charCodeAt(0),
    );
    throws(() => parseModel(new Uint8Array(gzipSync(bytes))), message);
  });
}

for (
  const [paths, message] of [
    [["saved_model.pb", "variables/x"], /SavedModel.*--saved-model FOLDER/],
    [["MLmodel", "columns.onnx", "model.onnx"], /file inside it: model\.onnx$/],
    [["MLmodel", "model.pkl"], /whose flavors are not read/],
    [["metadata/part-0", "stages/0/x"], /Spark ML pipeline/],
    [["a.ubj", "b.csv"], /a folder, expected a file, such as a\.ubj/],
    [["b.csv"], /a folder, expected a file$/],
  ] as const
) {
  Deno.test(`describeFolder() says what a folder of ${paths[0]} is`, () =>
    match(describeFolder(paths), message));
}
