/** Retries for concurrent writers: MLflow's Python clients insert without locks, so a writer can lose a race. */
import { isCode } from "../database/admin.ts";
import { ApiError } from "./http.ts";

const attempts = 10;
const pauseMs = 20;

/**
 * Runs `work`, up to 10 times if a concurrent writer interferes, and returns its
 * result. `work` must have no effect if it throws.
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
 * Tells whether a write lost a race. Servers have no error code for this: MLflow
 * before 3.17 returns the database's message about `model_versions`, and 3.17 the
 * message of its own retries. A violation in any other table occurs only after the
 * version was created.
 */
function isLostRace(error: unknown): boolean {
  // Unique violation, serialization failure, deadlock.
  if (isCode(error, "23505", "40001", "40P01")) return true;
  return error instanceof ApiError &&
    /"model_version_pk"|UNIQUE constraint failed: model_versions|Model Version creation error/
      .test(error.message);
}
