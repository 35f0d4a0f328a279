import { canonicalBytes, SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import type { Bcdb } from '../src/bcdb.ts';
import { signRecord } from '../src/record/author.ts';
import type { Entry } from '../src/record/entry.ts';

/** Type of the records that are measured. */
export const sampleUrl = 'net.example.contact.1';
export const sampleNamespace = 'bench';

/** Bytes of the payload of one record, about: what the targets are stated for. */
export const payloadBytes = 300;

/** Nothing but its shape. */
export const plainSchema: JsonValue = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 100 },
    email: { type: 'string', maxLength: 100 },
    text: { type: 'string', maxLength: 1000 },
  },
};

/** With two indexes and full text. */
export const indexedSchema: JsonValue = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 100, 'x-bcdb': { index: true } },
    email: { type: 'string', maxLength: 100, 'x-bcdb': { index: true } },
    text: { type: 'string', maxLength: 1000, 'x-bcdb': { fts: true } },
  },
};

export interface SampleValue {
  readonly name: string;
  readonly email: string;
  readonly text: string;
}

/** Words that differ from record to record, so that nothing compresses better than real text. */
export function sampleValue(index: number): SampleValue {
  let state = (index + 1) * 2_654_435_761;
  const next = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 374_761_393) >>> 0;
    return state;
  };
  const words = Array.from({ length: 28 }, () => `w${(next() % 1_000_000).toString(36)}`);
  const id = next().toString(36);
  const text = words
    .join(' ')
    .padEnd(payloadBytes, 'x')
    .slice(0, payloadBytes - 60);
  return { name: `name ${id}`, email: `${id}@example.net`, text };
}

/** Makes namespace and type in a new database. */
export async function prepare(bcdb: Bcdb, schema: JsonValue): Promise<void> {
  await bcdb.createNamespace(sampleNamespace);
  await bcdb.defineSchema(sampleNamespace, sampleUrl, schema);
}

/** Gives write right to keys, so that they count their own records. */
export async function makeWriters(bcdb: Bcdb, count: number): Promise<readonly SigningKey[]> {
  const keys = Array.from({ length: count }, () => SigningKey.generate());
  const writers = keys.map((key) => ({ to: key.publicKey.text, rights: ['write'] }));
  const value = { grants: [{ to: bcdb.owner, rights: ['admin'] }, ...writers] };
  await bcdb.write({
    ns: sampleNamespace,
    op: 'put',
    url: 'bcdb.namespace.1',
    obj: 'namespace',
    value,
  });
  return keys;
}

export async function makeWriter(bcdb: Bcdb): Promise<SigningKey> {
  const [key] = await makeWriters(bcdb, 1);
  if (key === undefined) throw new Error('no key was made');
  return key;
}

/** Signed records, before anything is measured. */
export function signSamples(bcdb: Bcdb, key: SigningKey, count: number): readonly Entry[] {
  const schema = bcdb.schemaOf(sampleNamespace, sampleUrl);
  const lastN = bcdb.lastN(key.publicKey.text);
  // Writers make objects of their own.
  const owner = `o${key.publicKey.text.slice(-6).replaceAll(/[^A-Za-z0-9]/g, 'x')}`;
  return Array.from({ length: count }, (_, index) => {
    const n = lastN + 1 + index;
    const payload = canonicalBytes(sampleValue(n));
    const obj = `${owner}-${n}`;
    return signRecord(
      key,
      { ns: sampleNamespace, op: 'put', url: sampleUrl, obj, schema, payload },
      { log: bcdb.log, n, t: Date.now() },
    );
  });
}
