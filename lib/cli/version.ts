/** The version of this project, as in CHANGELOG.md. */
export const version = "0.2.0";
