/** Certificates of the tests' own, made by `openssl`. */
import { tempFolder } from "./servers.ts";

/** A certificate authority, and a server's certificate that it signed; PEM texts. */
export interface TlsFiles {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** A new authority and a certificate for a server of that DNS name, valid for a day. */
export async function makeCertificates(name: string): Promise<TlsFiles> {
  await using folder = await tempFolder();
  const openssl = async (...args: string[]) => {
    const { code, stderr } = await new Deno.Command("openssl", {
      args,
      cwd: folder.path,
    }).output();
    if (code === 0) return;
    throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const authority = ["-x509", "-days", "1", "-subj", "/CN=Test authority"];
  await openssl(
    ...["req", ...authority, ...newKey, "-nodes"],
    ...["-keyout", "ca.key", "-out", "ca.crt"],
  );
  const extensions = `subjectAltName=DNS:${name}\nbasicConstraints=CA:FALSE\n`;
  await Deno.writeTextFile(`${folder.path}/extensions`, extensions);
  await openssl(
    ...["req", ...newKey, "-nodes", "-subj", `/CN=${name}`],
    ...["-keyout", "server.key", "-out", "server.csr"],
  );
  await openssl(
    ...["x509", "-req", "-days", "1", "-in", "server.csr", "-CAcreateserial"],
    ...["-CA", "ca.crt", "-CAkey", "ca.key", "-extfile", "extensions"],
    ...["-out", "server.crt"],
  );
  const read = (file: string) => Deno.readTextFile(`${folder.path}/${file}`);
  return {
    authority: await read("ca.crt"),
    certificate: await read("server.crt"),
    key: await read("server.key"),
  };
}
