/** Puts objects and secrets into moto, which wants no signature. */
import type { MotoServer } from "./servers.ts";

/** Makes a bucket. */
export async function makeBucket(
  moto: MotoServer,
  bucket: string,
): Promise<void> {
  await expectOk(await fetch(`${moto.endpoint}/${bucket}`, { method: "PUT" }));
}

/** Stores one object; `path` is `BUCKET/KEY`. */
export async function putObject(
  moto: MotoServer,
  path: string,
  body: Uint8Array<ArrayBuffer> | string,
): Promise<void> {
  const headers = { authorization: credentialFor("s3") };
  await expectOk(
    await fetch(`${moto.endpoint}/${path}`, { method: "PUT", body, headers }),
  );
}

/** Stores one object in several parts, so that its ETag is no MD5; `path` is `BUCKET/KEY`. */
export async function uploadParts(
  moto: MotoServer,
  path: string,
  parts: readonly Uint8Array<ArrayBuffer>[],
): Promise<void> {
  const headers = { authorization: credentialFor("s3") };
  const url = `${moto.endpoint}/${path}`;
  const started = await fetch(`${url}?uploads`, { method: "POST", headers });
  const [, id] = /<UploadId>(.*)<\/UploadId>/.exec(await started.text()) ?? [];
  const etags = await Promise.all(parts.map(async (body, index) => {
    const part = await fetch(`${url}?partNumber=${index + 1}&uploadId=${id}`, {
      method: "PUT",
      body,
      headers,
    });
    await part.body?.cancel();
    return part.headers.get("etag");
  }));
  const list = etags.map((etag, index) =>
    `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`
  ).join("");
  await expectOk(
    await fetch(`${url}?uploadId=${id}`, {
      method: "POST",
      body: `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`,
      headers,
    }),
  );
}

/** The bytes of one object; `path` is `BUCKET/KEY`. */
export async function getObject(
  moto: MotoServer,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const headers = { authorization: credentialFor("s3") };
  const response = await fetch(`${moto.endpoint}/${path}`, { headers });
  if (response.ok) return await response.bytes();
  throw new Error(`moto answered ${response.status}: ${await response.text()}`);
}

/** Deletes one object; `path` is `BUCKET/KEY`. */
export async function deleteObject(
  moto: MotoServer,
  path: string,
): Promise<void> {
  const headers = { authorization: credentialFor("s3") };
  await expectOk(
    await fetch(`${moto.endpoint}/${path}`, { method: "DELETE", headers }),
  );
}

/** Stores a secret: an object as JSON, or a text as it is. */
export async function putSecret(
  moto: MotoServer,
  name: string,
  value: unknown,
): Promise<void> {
  await writeSecret(moto, "CreateSecret", { Name: name, value });
}

/** Stores a new version of a secret, as a rotation does. */
export async function rotateSecret(
  moto: MotoServer,
  name: string,
  value: unknown,
): Promise<void> {
  await writeSecret(moto, "PutSecretValue", { SecretId: name, value });
}

async function writeSecret(
  moto: MotoServer,
  action: string,
  { value, ...which }: { value: unknown; Name?: string; SecretId?: string },
): Promise<void> {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  await expectOk(
    await fetch(moto.endpoint, {
      method: "POST",
      headers: {
        "x-amz-target": `secretsmanager.${action}`,
        "content-type": "application/x-amz-json-1.1",
        authorization: credentialFor("secretsmanager"),
      },
      body: JSON.stringify({
        ...which,
        SecretString: text,
        ClientRequestToken: crypto.randomUUID(),
      }),
    }),
  );
}

async function expectOk(response: Response): Promise<void> {
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`moto answered ${response.status}: ${text}`);
  }
}

/** Moto checks no signature; it finds the service by the scope of the credential. */
function credentialFor(service: string): string {
  return `AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/${service}/aws4_request`;
}
