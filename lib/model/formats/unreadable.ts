/**
 * Says what a file is that cannot be read as a model, and how to convert it. The
 * content decides, not the file's name. The commands run with the libraries
 * named in them; `docs/models.md` lists the releases they were tried with.
 */
import { inflateHead, zipEntries } from "./archives.ts";
import {
  describePickle,
  describeSkops,
  hasJoblibArrays,
  isPickle,
  python,
  torchAdvice,
} from "./python-objects.ts";

/** What the reader of a format needs to look at. */
interface Content {
  readonly bytes: Uint8Array;
  /** The first bytes, as Latin-1. */
  readonly start: string;
}

/** How many bytes are searched for names. */
const searchedBytes = 64 * 1024;

/** Returns what a file is and how to convert it, in the form "this is …; …"; undefined if it is unknown. */
export function describeUnreadable(bytes: Uint8Array): string | undefined {
  const content = { bytes, start: latin1(bytes.subarray(0, searchedBytes)) };
  for (const [matches, describe] of formats) {
    if (!matches(content)) continue;
    return typeof describe === "string" ? describe : describe(content);
  }
  return undefined;
}

/** Names of files that `log-model` reads. */
const readable =
  /(^|\/)(model\.(ubj|json|xgb|lgb|txt|onnx)|[^/]+\.(onnx|ubj))$/;

/**
 * Says what a folder holds in place of a model file, and what to do.
 *
 * @param paths Its files, at least one.
 */
export function describeFolder(paths: readonly string[]): string {
  const has = (pattern: RegExp) => paths.some((path) => pattern.test(path));
  const file =
    paths.find((path) => /(^|\/)model\./.test(path) && readable.test(path)) ??
      paths.find((path) => readable.test(path));
  if (has(/(^|\/)saved_model\.pb$/)) {
    return "this is the folder of a TensorFlow SavedModel; convert it to ONNX: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx";
  }
  if (has(/^stages\//) && has(/^metadata\//)) {
    return "this is a Spark ML pipeline; save the model of its stage itself: XGBoost with model.get_booster().save_model('model.ubj'), others to ONNX with onnxmltools.convert_sparkml";
  }
  if (has(/^MLmodel$/)) {
    return file === undefined
      ? "this is the folder of an MLflow model whose flavors are not read; log it from Python with mlflow.xgboost, mlflow.lightgbm or mlflow.onnx, or save the model itself (docs/models.md)"
      : `this is the folder of an MLflow model; name the file inside it: ${file}`;
  }
  return `this is a folder, expected a file${
    file === undefined ? "" : `, such as ${file} inside it`
  }`;
}

/** Returns a character per byte; TextDecoder's latin1 is Windows-1252, which maps 0x80 to 0x9f elsewhere. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return text;
}

/** How R's serialized objects begin: workspaces, and single ones in binary and as text. */
const rObjects = [
  "RDX2\n",
  "RDX3\n",
  "X\n\x00\x00\x00",
  "B\n\x00\x00\x00",
  "A\n2\n",
  "A\n3\n",
];

/** What to do with an R object. */
const rMessage =
  'this is an R object (saveRDS or save), which only R can read; save the model itself: xgboost::xgb.save(model, "model.ubj") or lightgbm::lgb.save(model, "model.txt")';

type Test = (content: Content) => boolean;

const begins = (...texts: string[]): Test => ({ start }) =>
  texts.some((text) => start.startsWith(text));
/** Tests the bytes from a position. */
const hasAt = (text: string, at: number): Test => ({ start }) =>
  start.startsWith(text, at);
const matching = (pattern: RegExp): Test => ({ start }) => pattern.test(start);

/** The formats: a test, and what to say. The first that matches is taken. */
const formats: readonly (readonly [
  Test,
  string | ((content: Content) => string),
])[] = [
  [
    begins("version https://git-lfs.github.com/"),
    "this is a pointer of Git LFS, not the file itself; fetch it: git lfs pull",
  ],
  [
    begins("binf"),
    "this is XGBoost's old binary format, which XGBoost itself cannot read since 3.1; load it with XGBoost 1.6 to 3.0 and save it as UBJSON: booster.save_model('model.ubj')",
  ],
  [
    ({ start }) => isPickle(start),
    ({ bytes, start }) =>
      describePickle({ start, byJoblib: hasJoblibArrays(bytes) }),
  ],
  [begins("\x1f\x8b", "x\x01", "x\x5e", "x\x9c", "x\xda"), describeDeflated],
  [begins("PK\x03", "PK\x05"), ({ bytes }) => describeZip(bytes)],
  [
    begins(
      "BZh",
      "\xfd7zXZ",
      "\x5d\x00\x00",
      "\x28\xb5\x2f\xfd",
      "\x04\x22\x4d\x18",
    ),
    ({ start }) =>
      `this is a file compressed with ${
        compressionOf(start)
      }; if joblib.dump wrote it, save the model itself instead (joblib.load reads it, then as for a pickle: docs/models.md); otherwise unpack it first`,
  ],
  [
    begins("7z\xbc\xaf", "Rar!"),
    "this is an archive; unpack it first, and name the model file inside",
  ],
  [
    hasAt("ustar", 257),
    "this is a tar archive; unpack it first, and name the model file inside",
  ],
  [
    begins("CBM1"),
    `this is a CatBoost model; convert it to ONNX: ${
      python(
        "from catboost import CatBoost; CatBoost().load_model('model.cbm').save_model('model.onnx', format='onnx')",
      )
    }`,
  ],
  [
    matching(/^\s*\{\s*"(oblivious_trees|features_info|model_info)"\s*:/),
    `this is a CatBoost model in JSON; convert it to ONNX: ${
      python(
        "from catboost import CatBoost; CatBoost().load_model('model.json', format='json').save_model('model.onnx', format='onnx')",
      )
    }`,
  ],
  [
    matching(/^\s*\{\s*"name"\s*:\s*"tree"/),
    "this is LightGBM's dump_model() as JSON, which LightGBM itself cannot load; save the model: booster.save_model('model.txt'), for LGBMClassifier model.booster_.save_model('model.txt')",
  ],
  [
    matching(/^\s*(\[|booster\[\d+\]:|\d+:\[)/),
    "this is a text dump (dump_model), which has no objective; save the model itself: booster.save_model('model.json')",
  ],
  [
    matching(/^\s*(<\?xml[\s\S]{0,2000}?)?<PMML[\s>]/),
    "this is PMML; no tool converts it back, so export the fitted model from the library that wrote it: XGBoost with save_model('model.ubj'), LightGBM with booster_.save_model('model.txt'), scikit-learn with skl2onnx (docs/models.md)",
  ],
  [
    matching(/^\s*<(\?xml|!doctype|html|Error)/i),
    "this is XML or HTML, possibly the error page of a failed download; download the model again",
  ],
  [
    begins("\x89HDF\r\n\x1a\n"),
    `this is HDF5, as Keras saves models (.h5); convert it to ONNX: ${
      python(
        "import keras; keras.models.load_model('model.h5').export('model.onnx', format='onnx')",
      )
    }`,
  ],
  [
    hasAt("ORTM", 4),
    "this is onnxruntime's own format (.ort); log the .onnx file that it was made from",
  ],
  [
    hasAt("TFL3", 4),
    "this is a TensorFlow Lite model; convert it to ONNX: python -m tf2onnx.convert --tflite model.tflite --output model.onnx",
  ],
  [
    ({ start }) =>
      start.startsWith("\x08\x01\x12") && /serve|saved_model/.test(start),
    "this is the saved_model.pb of a TensorFlow SavedModel; convert its folder to ONNX: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx",
  ],
  [
    hasAt('\x00\x00\x00{"', 5),
    `this is safetensors: weights without the model that uses them; load them into the model and ${torchAdvice}`,
  ],
  [begins(...rObjects), rMessage],
  [
    begins("\x93NUMPY"),
    "this is a NumPy array, not a model; if it is data, convert it to Parquet or JSON lines and name it with --sample",
  ],
  [
    begins("PAR1", "ARROW1"),
    ({ start }) =>
      `this is ${
        start.startsWith("P") ? "Parquet" : "Arrow"
      }, which holds rows and not a model; name it with --sample or --evaluation`,
  ],
  [
    begins("\xac\xed"),
    'this is a serialized Java object; of H2O, Weka or Spark export the model itself: XGBoost4J with booster.saveModel("model.ubj"), others to ONNX',
  ],
];

function compressionOf(start: string): string {
  if (start.startsWith("BZh")) return "bzip2";
  if (start.startsWith("\x28")) return "zstd";
  return start.startsWith("\x04") ? "lz4" : "xz";
}

/** Says what a gzip or zlib file holds. */
function describeDeflated({ bytes, start }: Content): string {
  const inside = inflateHead(bytes) ?? new Uint8Array();
  const content = {
    bytes: inside,
    start: latin1(inside.subarray(0, searchedBytes)),
  };
  if (isPickle(content.start)) {
    return describePickle({ start: content.start, byJoblib: true });
  }
  if (!start.startsWith("\x1f")) {
    return "this is zlib data, as joblib.dump writes with compress; if it is a model, save it itself: docs/models.md";
  }
  if (begins(...rObjects)(content)) return rMessage;
  return `this is a gzip archive${
    modelIn(content)
  }; unpack it first: gunzip -k model.gz`;
}

/** Names a readable model inside an archive; empty if it is none. */
function modelIn({ start }: Content): string {
  if (/^tree\r?\n/.test(start)) return " of a LightGBM model";
  if (/^\s*\{/.test(start)) {
    return " of a JSON or UBJSON file, such as a model of XGBoost";
  }
  return "";
}

function describeZip(bytes: Uint8Array): string {
  const entries = zipEntries(bytes);
  if (!entries) {
    return "this is a truncated or damaged zip archive; copy it again";
  }
  const names = entries.map(({ name }) => name);
  const has = (pattern: RegExp) => names.some((name) => pattern.test(name));
  const schema = entries.find(({ name }) => name === "schema.json");
  if (schema) return describeSkops(latin1(schema.head() ?? new Uint8Array()));
  if (has(/(^|\/)data\.pkl$/)) {
    return has(/(^|\/)(constants\.pkl|code\/)/)
      ? `this is a TorchScript model; ${torchAdvice}`
      : `this is a PyTorch checkpoint; ${torchAdvice}`;
  }
  if (has(/^model\.weights\.h5$/)) {
    return `this is a Keras model (.keras); convert it to ONNX: ${
      python(
        "import keras; keras.models.load_model('model.keras').export('model.onnx', format='onnx')",
      )
    }`;
  }
  if (has(/^model\.ini$/)) {
    return "this is an H2O MOJO; H2O's GBM models convert to ONNX: onnxmltools.convert_h2o('model.zip'); export others from the library that trained them";
  }
  if (names.length > 0 && names.every((name) => name.endsWith(".npy"))) {
    return "this is a NumPy archive (.npz), which holds arrays and not a model; if it is data, convert it to Parquet or JSON lines and name it with --sample";
  }
  if (has(/(^|\/)MLmodel$/)) {
    return "this is a zip archive of an MLflow model folder; unpack it and name the model file inside";
  }
  const shown = names.slice(0, 3).join(", ");
  return `this is a zip archive${
    shown ? ` (${shown}${names.length > 3 ? ", …" : ""})` : ""
  }; unpack it first, and name the model file inside`;
}
