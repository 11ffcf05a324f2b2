/** Sets variables of this process; undefined removes one. Puts back what was there on disposal. */
export function setEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
): Disposable {
  const before = Object.keys(variables).map((name) =>
    [name, Deno.env.get(name)] as const
  );
  const set = (name: string, value: string | undefined) =>
    value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  for (const [name, value] of Object.entries(variables)) set(name, value);
  return {
    [Symbol.dispose]() {
      for (const [name, value] of before) set(name, value);
    },
  };
}
