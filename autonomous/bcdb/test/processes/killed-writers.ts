/**
 * A database whose process a test kills. Several writers with keys of their own write without a break;
 * each record is printed before it is sent, and again when it was answered.
 * Arguments: data folder, seed, file with what the last process left open.
 */
import { readFile } from 'node:fs/promises';
import { isGridError, seededRandom } from '@commongrid/base';
import type { JsonValue, SigningKey } from '@commongrid/crypto';
import { canonicalBytes } from '@commongrid/crypto';
import { signRecord } from '../../src/record/author.ts';
import { systemUrls } from '../../src/record/system-records.ts';
import type { Entry } from '../../src/record/entry.ts';
import { toBase64url } from '../../src/tree/base64.ts';
import { noteUrl, openNotes } from '../support/notes.ts';
import { keyOf, print, writerNames } from '../support/kill-lines.ts';
import type { OpenEntry, Task } from '../support/kill-lines.ts';

const [dataDir = '', seed = '', taskFile = ''] = process.argv.slice(2);
const task = JSON.parse(await readFile(taskFile, 'utf8')) as Task;
const random = seededRandom(`${seed}/${task.round}`);
const owner = keyOf(seed, 'owner');
const ruled = 'net.example.rule.1';
const bcdb = await openNotes({ dataDir, owner });
await prepare();
print({
  kind: 'start',
  checkpoint: bcdb.checkpoint(),
  proof: bcdb.consistencyProof(task.seenSize, bcdb.head.size).map(toBase64url),
});
await Promise.all([...writerNames.map((name) => runWriter(name)), runOwner(), runCheckpoints()]);

async function prepare(): Promise<void> {
  if (bcdb.schemaOf('notes', ruled) !== undefined) return;
  const writers = writerNames.map((name) => keyOf(seed, name).publicKey.text);
  const members = { ns: 'notes', op: 'put', url: systemUrls.circle, obj: 'writers' } as const;
  await bcdb.write({ ...members, value: { members: writers } });
  const grants: JsonValue = [
    { to: owner.publicKey.text, rights: ['admin'] },
    { to: 'circle:writers', rights: ['admin'] },
  ];
  const space = { ns: 'notes', op: 'put', url: systemUrls.namespace, obj: 'namespace' } as const;
  await bcdb.write({ ...space, value: { grants } });
  const lines = [{ role: 'writer', signers: ['circle:writers'], min: 2 }];
  const policy = { ns: 'notes', op: 'put', url: systemUrls.policy, obj: `type/${ruled}` } as const;
  await bcdb.write({ ...policy, value: { write: lines } });
  const schema = { type: 'object', properties: { rule: { type: 'string', maxLength: 50 } } };
  await bcdb.defineSchema('notes', ruled, schema);
}

/** Sends what is open again, then goes on with new records. */
async function runWriter(name: string): Promise<void> {
  const key = keyOf(seed, name);
  for (const { leaf, body } of task.open.filter(({ writer }) => writer === name)) {
    const entry = {
      leaf: Buffer.from(leaf, 'base64'),
      body: body === undefined ? undefined : Buffer.from(body, 'base64'),
    };
    await send(name, entry, true);
  }
  for (;;) {
    // A few ahead of the answers, so that the kill meets them anywhere.
    const first = bcdb.lastN(key.publicKey.text) + 1;
    const count = random.int(1, 6);
    const entries = Array.from({ length: count }, (_, index) => makeEntry(key, first + index));
    await Promise.all(entries.map((entry) => send(name, entry, false)));
  }
}

async function send(writer: string, entry: Entry, isAgain: boolean): Promise<void> {
  const open: OpenEntry = {
    writer,
    leaf: Buffer.from(entry.leaf).toString('base64'),
    ...(entry.body === undefined ? {} : { body: Buffer.from(entry.body).toString('base64') }),
  };
  if (!isAgain) print({ kind: 'sent', ...open });
  try {
    const { seq, version, head } = await bcdb.append(entry);
    print({ kind: 'taken', writer, leaf: open.leaf, seq, version, size: head.size });
  } catch (error) {
    const code = isGridError(error) ? error.code : String(error);
    print({ kind: 'refused', writer, leaf: open.leaf, code });
  }
}

function makeEntry(key: SigningKey, n: number): Entry {
  const obj = `o${random.int(0, 40)}`;
  const kind = random.int(0, 20);
  const options = { log: bcdb.log, n, t: Date.now() };
  const [proposal] = kind < 6 ? openProposals() : [];
  if (proposal !== undefined) {
    const verdict = random.int(0, 5) === 0 ? 'reject' : 'approve';
    const exp = Number.MAX_SAFE_INTEGER;
    const vote = { proposal: proposal.version, role: 'writer', verdict, exp };
    return signSystem(
      key,
      systemUrls.approval,
      `v${n}-${key.publicKey.text.slice(8, 20)}`,
      vote,
      n,
    );
  }
  if (kind < 8) {
    const { policySeq = 0 } = bcdb.policyFor({ ns: 'notes', op: 'put', url: ruled, obj }) ?? {};
    const prev = bcdb.versionOf('notes', ruled, obj);
    const schema = bcdb.schemaOf('notes', ruled) ?? '';
    const change = { op: 'put', url: ruled, obj, schema, policySeq, value: { rule: `r${n}` } };
    const value = { ...change, exp: Date.now() + 60_000, ...(prev === undefined ? {} : { prev }) };
    return signSystem(
      key,
      systemUrls.proposal,
      `p${n}-${key.publicKey.text.slice(8, 20)}`,
      value,
      n,
    );
  }
  const prev = bcdb.versionOf('notes', noteUrl, obj);
  const op = kind === 18 ? 'del' : kind === 19 ? 'erase' : 'put';
  const text = 'words '.repeat(random.int(0, 40));
  const value = {
    text,
    rank: n % 1000,
    ...(kind % 3 === 0 ? { code: `c${random.int(0, 60)}` } : {}),
  };
  const said = { ns: 'notes', op, url: noteUrl, obj, prev } as const;
  if (op !== 'put') return signRecord(key, said, options);
  const schema = bcdb.schemaOf('notes', noteUrl);
  return signRecord(key, { ...said, schema, payload: canonicalBytes(value) }, options);
}

function signSystem(key: SigningKey, url: string, obj: string, value: JsonValue, n: number): Entry {
  const said = { ns: 'notes', op: 'put', url, obj, payload: canonicalBytes(value) } as const;
  return signRecord(key, said, { log: bcdb.log, n, t: Date.now() });
}

function openProposals(): readonly { readonly version: string }[] {
  const documents = bcdb.state.documents<{ readonly status: string }>('notes', systemUrls.proposal);
  const open = [...documents.values()].filter(({ value }) => value.status === 'open');
  return open.length === 0 ? [] : open.slice(random.int(0, open.length));
}

async function runOwner(): Promise<void> {
  for (let count = 0; ; count++) {
    const obj = `w${random.int(0, 10)}`;
    const value = { text: `of the owner ${count}` };
    const receipt = await bcdb.write({ ns: 'notes', op: 'put', url: noteUrl, obj, value });
    print({ kind: 'owner', seq: receipt.seq, version: receipt.version });
  }
}

async function runCheckpoints(): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    print({ kind: 'checkpoint', note: bcdb.checkpoint() });
  }
}
