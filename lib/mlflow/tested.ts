/** The newest release of MLflow that the tests run with. This file imports nothing, because the launcher loads it. */
export const testedMlflow = "3.17.2";
