import { deepStrictEqual, throws } from "node:assert/strict";
import { parseYaml } from "../../lib/base/yaml.ts";

Deno.test("parseYaml() resolves the aliases that PyYAML writes for repeated values", () => {
  const text = "a: &id001 [1, 2]\nb: *id001\n";
  deepStrictEqual(parseYaml(text, { file: "MLmodel" }), {
    a: [1, 2],
    b: [1, 2],
  });
});

Deno.test("parseYaml() refuses aliases that lead nowhere, contain themselves or grow without end", () => {
  const growing = ["a0: &a0 [x, x]"];
  for (let level = 1; level < 20; level++) {
    const inner = Array.from({ length: 9 }, () => `*a${level - 1}`).join(", ");
    growing.push(`a${level}: &a${level} [${inner}]`);
  }
  for (
    const text of [
      "a: *nothing\n",
      "a: &x [1, *x]\n",
      "a: &x {b: *x}\n",
      growing.join("\n"),
    ]
  ) {
    throws(() => parseYaml(text, { file: "MLmodel" }), {
      name: "InputError",
      message: /^Cannot parse MLmodel/,
    });
  }
});
