/** The REST API of one MLflow server, and conversions that its calls share. */
import type { Log } from "../../base/log.ts";
import { ApiError, type MlflowHttp } from "../http.ts";

/** A server and its capabilities. */
export interface Rest {
  readonly http: MlflowHttp;
  readonly hasLoggedModels: boolean;
  /** Called for each value that was truncated. */
  readonly log: Pick<Log, "warn">;
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
