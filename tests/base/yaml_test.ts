import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { parseYaml, setListItem } from "../../lib/base/yaml.ts";

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

Deno.test("setListItem() keeps comments, order, quotes and blank lines of everything that it does not set", () => {
  const text = `# head
a: "1" # one
list: # of things
  # the first
  - { name: x, size: 2 } # in brackets
  - name: 'y' # the name
    more:
      # inside
      left: 1 # kept
      right: 2

    own: [1, 2]
# foot
b: 0x10
`;
  const set = (index: number | undefined, value: Record<string, unknown>) =>
    setListItem(text, { list: "list", index, value }, { file: "a.yaml" });
  strictEqual(
    set(undefined, { name: "NO", gone: undefined, deep: { a: ["x\n\ny"] } }),
    text.replace(
      "own: [1, 2]\n",
      "own: [1, 2]\n  - name: NO\n    deep:\n      a:\n        - |-\n          x\n\n          y\n",
    ),
  );
  // A change formats the rest in the usual way.
  const usual = text.replace("list: # of things\n", "list:\n  # of things\n")
    .replace("[1, 2]", "[ 1, 2 ]");
  strictEqual(
    set(1, { name: "z", more: { left: 1, up: 3 }, size: undefined }),
    usual.replace("'y' # the name", "'z' # the name")
      .replace("right: 2\n", "up: 3\n"),
  );
  strictEqual(
    set(0, { size: 3 }),
    usual.replace(
      "  - { name: x, size: 2 } # in brackets\n",
      "  - name: x\n    size: 3\n    # in brackets\n",
    ),
  );
});

Deno.test("setListItem() makes a list that is missing, and refuses what is none", () => {
  const set = (text: string, index?: number) =>
    setListItem(
      text,
      { list: "list", index, value: { a: 1 } },
      { file: "a.yaml" },
    );
  strictEqual(set("# mine\nb: 2\n"), "# mine\nb: 2\nlist:\n  - a: 1\n");
  strictEqual(set("list: [{}]\n"), "list:\n  - {}\n  - a: 1\n");
  strictEqual(set("list: []\n"), "list:\n  - a: 1\n");
  strictEqual(set("list:\n- x: 1 # one"), "list:\n- x: 1 # one\n- a: 1\n");
  strictEqual(set("list:\n- x: |\n    t\n"), "list:\n- x: |\n    t\n- a: 1\n");
  throws(() => set("list: x\n"), /Cannot change a.yaml: list is not a list/);
  throws(() => set("list: [1]\n", 0), /list\[0\] is not a mapping/);
  throws(() => set("a: [\n"), /Cannot parse a.yaml, line 2, column 1/);
});

Deno.test("setListItem() refuses to change a value that an alias repeats elsewhere, and replaces an alias", () => {
  const set = (item: string, value: Record<string, unknown>) =>
    setListItem(
      `list:\n  - ${item}\n  - { files: { model: x } }\nb: { c: *own }\n`,
      { list: "list", index: 0, value },
      { file: "a.yaml" },
    );
  for (
    const item of [
      "files: &own { model: x }",
      "files: { model: &own x }",
      "files: { more: [1, &own x] }",
    ]
  ) {
    throws(() => set(item, { files: { model: "y" } }), {
      name: "InputError",
      message: /Cannot change a\.yaml: list\[0\] has the anchor &own, /,
    });
    throws(() => set(item, { files: undefined }), /the anchor &own/);
    deepStrictEqual(
      parseYaml(set(item, { label: "z" }), { file: "a.yaml" }),
      parseYaml(
        `list: [{ ${item}, label: z }, { files: { model: x } }]\nb: { c: *own }\n`,
        { file: "a.yaml" },
      ),
    );
  }
  const text = "a: &own { model: x }\nlist: [{ files: *own }]\n";
  const changed = setListItem(text, {
    list: "list",
    index: 0,
    value: { files: { model: "y" } },
  }, { file: "a.yaml" });
  deepStrictEqual(parseYaml(changed, { file: "a.yaml" }), {
    a: { model: "x" },
    list: [{ files: { model: "y" } }],
  });
});
