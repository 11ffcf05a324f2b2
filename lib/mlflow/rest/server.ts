/** The REST API of one MLflow server, and conversions that its calls share. */
import * as v from "../../base/schema.ts";
import { ApiError, type MlflowHttp } from "../http.ts";

/** A server and its capabilities. */
export interface Rest {
  readonly http: MlflowHttp;
  readonly hasLoggedModels: boolean;
}

/** Returns the result of the call, or undefined if the server answers that the resource does not exist. */
export async function unlessMissing<T>(
  call: Promise<T>,
): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ApiError && error.code === "RESOURCE_DOES_NOT_EXIST") {
      return undefined;
    }
    throw error;
  }
}

/** Converts an object to the form that MLflow expects for tags and params: `[{key, value}, …]`. */
export function toKeyValues(
  pairs: Readonly<Record<string, string>> = {},
): { key: string; value: string }[] {
  return Object.entries(pairs).map(([key, value]) => ({ key, value }));
}

/** A text that servers may leave out or send empty; undefined then. */
export const optionalText = v.pipe(
  v.nullish(v.string()),
  v.transform((text) => text || undefined),
);

/** Tags or params, `[{key, value}, …]`, as one object. */
export const keyValues = v.pipe(
  v.nullish(
    v.array(v.object({ key: v.string(), value: v.nullish(v.string(), "") })),
    [],
  ),
  v.transform((pairs) =>
    Object.fromEntries(pairs.map(({ key, value }) => [key, value]))
  ),
);

/** The part of a run that is used. */
export const runAnswer = v.object({
  run: v.object({
    info: v.object({ run_id: v.string(), artifact_uri: v.string() }),
  }),
});

/** Returns an answer of the server in the form of the schema. @throws {InputError} If it has another form. */
export function toAnswer<Schema extends v.GenericSchema>(
  { http }: Rest,
  schema: Schema,
  answer: unknown,
): v.InferOutput<Schema> {
  const file = `the answer of the server at ${http.baseUrl}`;
  return v.validate(schema, answer, { file });
}
