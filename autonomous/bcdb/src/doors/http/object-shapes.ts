import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { JsonValue } from '@commongrid/crypto';
import type { FoundPage } from '../../projection/find.ts';
import type { ObjectChange, ObjectVersion } from '../../projection/object-row.ts';
import { toBase64url } from '../../tree/base64.ts';
import { hash, json, keyText, objectId, sequence, time, typeUrl } from './shapes.ts';

const members = {
  url: typeUrl,
  obj: objectId,
  /** When it took effect: what `minSeq` and `asOf` speak of. */
  seq: sequence,
  /** Record that carries it: what a proof shows. */
  origin: sequence,
  /** What the next version names as `prev`. */
  version: hash,
  author: keyText,
  at: time,
  schema: Type.Optional(hash),
  /** Absent when it was deleted or erased. */
  value: Type.Optional(json),
  /** In place of `value` where payloads are sealed. */
  box: Type.Optional(Type.String()),
};

export const objectReply = Type.Object(members);

const kind = Type.Unsafe<ObjectChange['kind']>({ type: 'string', enum: ['put', 'del', 'erase'] });

export const changeReply = Type.Object({ ...members, kind });

export const pageReply = Type.Object({
  objects: Type.Array(objectReply),
  /** Gives the next page; absent at the end. */
  cursor: Type.Optional(Type.String()),
});

export function objectText(version: ObjectVersion): Static<typeof objectReply> {
  const { url, obj, seq, origin, author, at, schema, payload } = version;
  return {
    url,
    obj,
    seq,
    origin,
    version: version.version,
    author,
    at,
    ...(schema === undefined ? {} : { schema }),
    ...payloadText(payload),
  };
}

export function changeText(change: ObjectChange): Static<typeof changeReply> {
  return { ...objectText(change), kind: change.kind };
}

export function pageText({ rows, cursor }: FoundPage): Static<typeof pageReply> {
  return { objects: rows.map(objectText), ...(cursor === undefined ? {} : { cursor }) };
}

function payloadText(payload: ObjectVersion['payload']): { value?: JsonValue; box?: string } {
  if (payload === undefined) return {};
  if (typeof payload !== 'string') return { box: toBase64url(payload) };
  const value: JsonValue = JSON.parse(payload);
  return { value };
}
