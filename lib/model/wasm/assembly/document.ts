/** What reads documents, as JavaScript calls it (AssemblyScript). */
export { findMember, gather, gatherIntegers, gatherObjects, listKeys, listValues, presentCount, toDoubles, toInteger, toNumbers, wrongOne } from "./columns";
export { scanJson } from "./json";
export { findKey, keyAddress, keyLength } from "./keys";
export { scanUbjson } from "./ubjson";
