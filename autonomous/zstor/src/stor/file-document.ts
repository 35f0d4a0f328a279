import { damaged, FieldReader, FieldWriter } from '../manifest/fields.ts';
import type { StorFile } from './file-tables.ts';

/** Before it there were documents of JSON, which begin with a brace. */
const format = 2;
const hashBytes = 32;

/** What the manifest of a file says of it. */
export function documentOf({ name, sizeBytes, sha256, atMs }: StorFile): Buffer {
  const fields = new FieldWriter(128);
  const text = Buffer.from(name);
  fields.u8(format);
  fields.number(text.length);
  fields.bytes(text);
  fields.number(sizeBytes);
  fields.bytes(Buffer.from(sha256, 'hex'));
  fields.number(atMs);
  return fields.end();
}

/** The file of which a document is. @throws ZSTOR_MANIFEST_CORRUPT */
export function fileIn(document: Buffer): StorFile {
  if (document[0] === '{'.charCodeAt(0)) return JSON.parse(document.toString());
  const fields = new FieldReader(document);
  if (fields.u8() !== format) throw damaged();
  return {
    name: fields.bytes(fields.number()).toString(),
    sizeBytes: fields.number(),
    sha256: fields.bytes(hashBytes).toString('hex'),
    atMs: fields.number(),
  };
}
