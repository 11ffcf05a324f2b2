/** Several writers at one registry: MLflow's Python clients insert without holding locks, so a writer can lose. */
import { DatabaseError } from "../database/database.ts";
import { ApiError } from "./http.ts";

/** SQLSTATEs after which the same transaction may pass: unique violation, serialization failure, deadlock. */
const racy = new Set(["23505", "40001", "40P01"]);
const attempts = 10;
const pauseMs = 20;

/**
 * What `work` gives back, run again (at most 10 times) when another writer got
 * in between. `work` must have left nothing behind when it throws.
 */
export async function retryRaces<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isLostRace(error) || attempt === attempts) throw error;
      const waitMs = Math.random() * pauseMs * attempt;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}

/**
 * A server has no code for it: MLflow before 3.17 passes on what the database
 * said of `model_versions`, 3.17 what its own retries said. A violation of any
 * other table comes after the version was made.
 */
function isLostRace(error: unknown): boolean {
  if (error instanceof DatabaseError) return racy.has(error.code);
  return error instanceof ApiError &&
    /"model_version_pk"|UNIQUE constraint failed: model_versions|Model Version creation error/
      .test(error.message);
}
