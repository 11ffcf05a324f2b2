/** The version of this project, as CHANGELOG.md has it. */
export const version = "0.1.0";
