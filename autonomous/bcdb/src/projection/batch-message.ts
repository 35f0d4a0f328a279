import type { Effect, EffectBatch } from '../state/effect.ts';

/**
 * A batch in the form that crosses to the thread of the writer: plain values that clone quickly,
 * and all payloads in one buffer that is handed over. An effect is `fieldsPerEffect` values.
 */
export interface BatchMessage {
  readonly from: number;
  readonly size: number;
  readonly root: Uint8Array;
  readonly fields: readonly (string | number | undefined)[];
  readonly payloads: Uint8Array<ArrayBuffer>;
}

const fieldsPerEffect = 11;

/** Packs a batch. `payloads.buffer` may be transferred. */
export function packBatch({ from, size, root, effects }: EffectBatch): BatchMessage {
  const payloads = new Uint8Array(payloadBytesOf(effects));
  const fields: (string | number | undefined)[] = [];
  let offset = 0;
  for (const effect of effects) {
    const payload = effect.kind === 'put' ? effect.payload : undefined;
    const schema = effect.kind === 'put' ? effect.schema : undefined;
    const { kind, ns, url, obj, seq, origin, version, author, at } = effect;
    fields.push(kind, ns, url, obj, seq, origin, version, author, at, schema, payload?.length);
    if (payload === undefined) continue;
    payloads.set(payload, offset);
    offset += payload.length;
  }
  // A copy: a root that is a view of a large buffer would take all of it along.
  return { from, size, root: root.slice(), fields, payloads };
}

/** Bytes of the payloads that effects carry. */
export function payloadBytesOf(effects: readonly Effect[]): number {
  let sizeBytes = 0;
  for (const effect of effects) {
    if (effect.kind === 'put') sizeBytes += effect.payload?.length ?? 0;
  }
  return sizeBytes;
}

/** The batch again; payloads are views of the one buffer. */
export function unpackBatch({ from, size, root, fields, payloads }: BatchMessage): EffectBatch {
  const effects: Effect[] = [];
  let offset = 0;
  for (let at = 0; at < fields.length; at += fieldsPerEffect) {
    const effect = unpackEffect(fields, at, payloads, offset);
    offset += Number(fields[at + fieldsPerEffect - 1] ?? 0);
    effects.push(effect);
  }
  return { from, size, root, effects };
}

function unpackEffect(
  fields: BatchMessage['fields'],
  start: number,
  payloads: Uint8Array,
  offset: number,
): Effect {
  const text = (index: number): string => String(fields[start + index]);
  const number = (index: number): number => Number(fields[start + index]);
  const common = {
    ns: text(1),
    url: text(2),
    obj: text(3),
    seq: number(4),
    origin: number(5),
    version: text(6),
    author: text(7),
    at: number(8),
  };
  const kind = fields[start] as Effect['kind'];
  if (kind !== 'put') return { kind, ...common };
  const sizeBytes = fields[start + 10];
  return {
    kind,
    ...common,
    schema: fields[start + 9] === undefined ? undefined : text(9),
    payload:
      sizeBytes === undefined ? undefined : payloads.subarray(offset, offset + Number(sizeBytes)),
  };
}
