/** Says which model a saved Python object holds (pickle, joblib, skops), and how to save the model itself. */

/** Protocols 2 to 5 start with byte 128 and their number; 0 and 1 with an opcode such as `c` and a module name. */
export function isPickle(start: string): boolean {
  if (start.startsWith("\u0080")) {
    return "\u0002\u0003\u0004\u0005".includes(start[1] ?? " ");
  }
  return /^(c[\w.]+\n|\(dp?|\(lp?)/.test(start);
}

/** The Python class of a saved object, such as `lightgbm.sklearn.LGBMClassifier`. */
interface PythonClass {
  readonly module: string;
  readonly name: string;
}

/** How a saved Python object is loaded; `load` is an expression. */
interface Saved {
  readonly what: string;
  /** Why this project does not load it. */
  readonly reason: string;
  readonly imports: string;
  readonly load: string;
}

const runsCode = "which is not loaded because it can run code";
const pickled: Saved = {
  what: "a Python pickle",
  reason: runsCode,
  imports: "import pickle",
  load: "pickle.load(open('model.pkl', 'rb'))",
};
const joblib: Saved = {
  what: "a joblib file",
  reason: runsCode,
  imports: "import joblib",
  load: "joblib.load('model.joblib')",
};
const skops: Saved = {
  what: "a skops file",
  reason: "which only Python reads",
  imports: "import skops.io as s; f = 'model.skops'",
  load: "s.load(f, trusted=s.get_untrusted_types(file=f))",
};

/**
 * Says what a pickle holds and how to save the model in it.
 *
 * @param content `start`: its first bytes, as Latin-1; `byJoblib`: whether joblib wrote it.
 */
export function describePickle(
  { start, byJoblib }: { start: string; byJoblib: boolean },
): string {
  return describeSaved(byJoblib ? joblib : pickled, findClass(start), start);
}

/** Returns whether a pickle contains arrays as joblib writes them, which only joblib's loader reads. */
export function hasJoblibArrays(bytes: Uint8Array): boolean {
  const [first = 0, ...rest] = new TextEncoder().encode("joblib.numpy_pickle");
  let at = bytes.indexOf(first);
  while (at >= 0) {
    const from = at + 1;
    if (rest.every((byte, index) => bytes[from + index] === byte)) return true;
    at = bytes.indexOf(first, from);
  }
  return false;
}

const libraries = "xgboost|lightgbm|catboost|sklearn|imblearn|torch|keras";

/** Returns the class of the object in a pickle: the first one that a known library defines, since an object's class precedes its parts. */
function findClass(text: string): PythonClass | undefined {
  const found = new RegExp(`(?:\\bc|\\b)((?:${libraries})(?:\\.\\w+)*)`).exec(
    text,
  );
  const [all, module] = found ?? [];
  if (!found || all === undefined || module === undefined) return undefined;
  const rest = text.slice(found.index + all.length);
  // A global is "module\nname\n", or two short strings with their lengths.
  const short = /^\x94?\x8c([\s\S])/.exec(rest);
  const name = short
    ? rest.slice(short[0].length).slice(0, short[1]?.charCodeAt(0))
    : /^\n(\w+)/.exec(rest)?.[1];
  return name && /^\w+$/.test(name) ? { module, name } : undefined;
}

/** Says how to save the model of a Python object, whose class decides. */
function describeSaved(
  { what, reason: why, imports, load }: Saved,
  found: PythonClass | undefined,
  text: string,
): string {
  const named = found ? `${what} of ${found.module}.${found.name}` : what;
  const reason = `this is ${named}, ${why}`;
  const [library] = found?.module.split(".") ?? [];
  const save = (call: string) =>
    `${reason}; save the model itself: ${python(`${imports}; ${load}${call}`)}`;
  switch (library) {
    case "xgboost":
      return save(".save_model('model.ubj')");
    case "lightgbm":
      return save(
        found?.name === "Booster"
          ? ".save_model('model.txt')"
          : ".booster_.save_model('model.txt')",
      );
    case "catboost":
      return save(".save_model('model.onnx', format='onnx')");
    case "torch":
      return `${reason}; ${torchAdvice}`;
    case "keras":
      return save(".export('model.onnx', format='onnx')");
    case "sklearn":
    case "imblearn":
      return `${reason}; convert it to ONNX: ${
        python(
          `import numpy; ${imports}; from skl2onnx import to_onnx; m = ${load}; open('model.onnx', 'wb').write(to_onnx(m, numpy.zeros((1, m.n_features_in_), 'float32')).SerializeToString())`,
        )
      }${
        nestedAdvice(text)
      }; for a pipeline that reads columns by name see docs/models.md`;
    default:
      return `${reason}; save the model itself: model.save_model('model.ubj') with XGBoost, model.booster_.save_model('model.txt') with LightGBM's LGBMClassifier, model.save_model('model.onnx', format='onnx') with CatBoost, skl2onnx.to_onnx(model, X[:1]) with scikit-learn (docs/models.md)`;
  }
}

/** Names the library of a step inside a scikit-learn object. */
function nestedAdvice(text: string): string {
  const inside = ["xgboost", "lightgbm", "catboost"].find((name) =>
    new RegExp(`\\b${name}\\.`).test(text)
  );
  return inside === undefined
    ? ""
    : ` (it holds a model of ${inside}: save that one by itself if it is the only step, or register its converter first, docs/models.md)`;
}

/** How to convert a PyTorch model. */
export const torchAdvice =
  "export the model to ONNX: torch.onnx.export(model, (torch.zeros(1, FEATURES),), 'model.onnx', input_names=['rows'], dynamic_axes={'rows': {0: 'n'}})";

/** Says what a skops file holds and how to save the model in it. @param text The first characters of its `schema.json`. */
export function describeSkops(text: string): string {
  const name = /"__class__"\s*:\s*"([\w.]+)"/.exec(text)?.[1];
  const module = /"__module__"\s*:\s*"([\w.]+)"/.exec(text)?.[1];
  const found = name && module ? { module, name } : undefined;
  return describeSaved(skops, found, text);
}

/** Returns a command that runs Python code. */
export function python(code: string): string {
  return `python -c "${code}"`;
}
