/** A file system of limited size, in memory. */
import { onEnd } from "../support/cleanup.ts";

/** A mounted file system. Disposal unmounts it. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Changes its size, in KiB; not below what is used. */
  resize(kilobytes: number): Promise<void>;
  /** Returns the used size in KiB. */
  used(): Promise<number>;
}

/** Mounts one, owned by `uid`; undefined if this user may not mount. */
export async function mountSmallDisk(
  { kilobytes, uid = Deno.uid() ?? 0 }: { kilobytes: number; uid?: number },
): Promise<SmallDisk | undefined> {
  const path = await Deno.makeTempDir({ prefix: "churn-disk-" });
  const options = (size: number) => `size=${size}k,uid=${uid},mode=0755`;
  const mounted = await asRoot("mount", [
    ...["-t", "tmpfs", "-o", options(kilobytes), "tmpfs", path],
  ]);
  if (!mounted) {
    await Deno.remove(path);
    return undefined;
  }
  const forget = onEnd(() => {
    toCommand("umount", ["--lazy", path]).outputSync();
    Deno.removeSync(path);
  });
  return {
    path,
    async resize(size) {
      const resized = await asRoot("mount", [
        ...["-o", `remount,${options(size)}`, path],
      ]);
      if (!resized) throw new Error(`Cannot resize ${path} to ${size} KiB`);
    },
    async used() {
      const { stdout } = await new Deno.Command("df", {
        args: ["--output=used", "-k", path],
      }).output();
      return Number(new TextDecoder().decode(stdout).trim().split("\n").at(-1));
    },
    async [Symbol.asyncDispose]() {
      await asRoot("umount", ["--lazy", path]);
      await Deno.remove(path).catch(() => {});
      forget();
    },
  };
}

/** Runs a program as root, by sudo if need be and if that asks for no password; returns whether it succeeded. */
async function asRoot(program: string, args: string[]): Promise<boolean> {
  try {
    return (await toCommand(program, args).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function toCommand(program: string, args: string[]): Deno.Command {
  return Deno.uid() === 0
    ? new Deno.Command(program, { args, stderr: "null" })
    : new Deno.Command("sudo", { args: ["-n", program, ...args] });
}
