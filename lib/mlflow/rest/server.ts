import { ApiError, type MlflowHttp } from "../http.ts";

/** A server, and what it can do. */
export interface Rest {
  readonly http: MlflowHttp;
  readonly hasLoggedModels: boolean;
  /** Told what was shortened to fit. */
  readonly warn: (warning: string) => void;
}

/** What the call gives back, or undefined when the server says that there is no such thing. */
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

/** An object as MLflow takes tags and params: `[{key, value}, …]`. */
export function toKeyValues(
  pairs: Readonly<Record<string, string>> = {},
): { key: string; value: string }[] {
  return Object.entries(pairs).map(([key, value]) => ({ key, value }));
}
