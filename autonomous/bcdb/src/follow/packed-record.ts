import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { leafBytesMax, makeLeaf, payloadBytesMax, saltBytes, splitLeaf } from '../record/entry.ts';
import type { Entry } from '../record/entry.ts';

/*
 * Records of one type by one author repeat most of what they say, so each is deflated against another
 * one, its model. Signature and salt are drawn and stay as they are.
 *
 *     length of the envelope (2 bytes, little endian), 1 where there is a body and 0 where not,
 *     signature (64), salt (16, with a body), deflated: envelope and payload
 */
const headBytes = 3;
const signatureBytes = 64;

/** What a model gives: the texts of its record. */
export type ModelText = Uint8Array;

/** The texts of a record: what others are deflated against. */
export function modelText({ leaf, body }: Entry): ModelText {
  const { envelope } = splitLeaf(leaf);
  return Buffer.concat([envelope, body?.subarray(saltBytes) ?? noBytes]);
}

export function packRecord(entry: Entry, model: ModelText | undefined): Uint8Array {
  const { leaf, body } = entry;
  const { envelope, signature } = splitLeaf(leaf);
  const head = Buffer.alloc(headBytes);
  head.writeUInt16LE(envelope.length);
  head.writeUInt8(body === undefined ? 0 : 1, 2);
  const text = deflateRawSync(modelText(entry), dictionaryOf(model));
  return Buffer.concat([head, signature, body?.subarray(0, saltBytes) ?? noBytes, text]);
}

/** The record that was packed against this model. */
export function unpackRecord(bytes: Uint8Array, model: ModelText | undefined): Entry {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const hasBody = head.readUInt8(2) === 1;
  const saltAt = headBytes + signatureBytes;
  const textAt = saltAt + (hasBody ? saltBytes : 0);
  const limit = { maxOutputLength: leafBytesMax + payloadBytesMax };
  const text = inflateRawSync(head.subarray(textAt), { ...dictionaryOf(model), ...limit });
  const envelopeBytes = head.readUInt16LE(0);
  const signature = head.subarray(headBytes, saltAt);
  return {
    leaf: makeLeaf(text.subarray(0, envelopeBytes), signature),
    body: hasBody
      ? Buffer.concat([head.subarray(saltAt, textAt), text.subarray(envelopeBytes)])
      : undefined,
  };
}

function dictionaryOf(model: ModelText | undefined): { dictionary?: ModelText } {
  return model === undefined ? {} : { dictionary: model };
}

const noBytes = new Uint8Array();
