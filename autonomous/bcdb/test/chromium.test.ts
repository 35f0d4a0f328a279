import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { Envelope } from '../src/browser.ts';
import { toBase64url } from '../src/tree/base64.ts';
import { contact, grant, serveTeam } from './http-fixture.ts';
import { PageServer } from './support/page-server.ts';
import type { VerifyCall } from './support/page.ts';

async function openPage(t: TestContext): Promise<PageServer> {
  const server = await PageServer.open();
  t.after(() => server[Symbol.asyncDispose]());
  return server;
}

test('a real browser verifies a checkpoint, a consistency proof and a record, and no changed one', async (t) => {
  const served = await serveTeam(t);
  const { bcdb, trust } = served;
  const headOf = () => ({ size: bcdb.head.size, root: toBase64url(bcdb.head.root) });
  const older = headOf();
  const value = { name: 'Ada — with an é' };
  const put = { ns: 'team', op: 'put', url: contact, obj: 'ada', value } as const;
  const { seq } = await bcdb.write(put);
  const newer = headOf();
  const path = bcdb.consistencyProof(older.size, newer.size).map(toBase64url);
  const proof = await bcdb.prove(seq);
  const checkpoint = bcdb.checkpoint();
  const otherRoot = { ...older, root: newer.root };
  const otherNote = checkpoint.replace(/^\d+$/m, String(newer.size + 1));
  assert.notEqual(otherNote, checkpoint);
  const body = Buffer.from(proof.body ?? '', 'base64url');
  body[20] = (body[20] ?? 0) ^ 1;
  const verdicts: readonly (readonly [VerifyCall, string])[] = [
    [{ name: 'verifyCheckpoint', parts: [checkpoint, trust] }, 'ok'],
    [{ name: 'verifyCheckpoint', parts: [otherNote, trust] }, 'BCDB_CHECKPOINT_UNSIGNED'],
    [
      { name: 'verifyCheckpoint', parts: [checkpoint, { ...trust, log: 'A'.repeat(43) }] },
      'BCDB_OTHER_LOG',
    ],
    [{ name: 'verifyConsistency', parts: [older, newer, path] }, 'ok'],
    [{ name: 'verifyConsistency', parts: [otherRoot, newer, path] }, 'BCDB_PROOF_INVALID'],
    [{ name: 'verifyRecordProof', parts: [proof, trust] }, 'ok'],
    [
      { name: 'verifyRecordProof', parts: [{ ...proof, seq: seq - 1 }, trust] },
      'BCDB_PROOF_INVALID',
    ],
    [
      {
        name: 'verifyRecordProof',
        parts: [{ ...proof, body: body.toString('base64url') }, trust],
      },
      'BCDB_BODY_MISMATCH',
    ],
  ];
  const page = await openPage(t);
  const said = await page.run<readonly string[]>({
    kind: 'verify',
    calls: verdicts.map(([call]) => call),
  });
  assert.deepEqual(
    said,
    verdicts.map(([, verdict]) => verdict),
  );
});

test('a real browser decides the published vectors as Node does', async (t) => {
  const page = await openPage(t);
  const said = await page.run<{ readonly wrong: readonly string[]; readonly count: number }>({
    kind: 'vectors',
  });
  assert.deepEqual(said.wrong, []);
  assert.ok(said.count > 200, `only ${said.count} vectors`);
});

interface Written {
  readonly author: string;
  readonly receipt: { readonly seq: number };
  readonly envelope: Envelope;
  readonly value: unknown;
  readonly seq: number;
  readonly size: number;
}

test('a real browser signs a record, appends it and proves that it is in the log', async (t) => {
  const page = await openPage(t);
  const served = await serveTeam(t, { origins: [page.origin] });
  await grant(served, 'anyone', ['read', 'write']);
  const { url, trust, bcdb } = served;
  const value = { name: 'Zoë of the browser' };
  const statement = { ns: 'team', op: 'put', url: contact, obj: 'zoe', value } as const;
  const written = await page.run<Written>({ kind: 'write', url, trust, statement });
  const { author, receipt, envelope, seq, size } = written;
  assert.deepEqual(written.value, value);
  assert.deepEqual([envelope.author, envelope.obj, seq], [author, 'zoe', receipt.seq]);
  assert.equal(bcdb.lastN(author), 1);
  assert.ok(size > seq);
  const found = await (await served.client()).get('team', contact, 'zoe', { minSeq: seq });
  assert.deepEqual([found.author, found.value], [author, value]);
});

test('a page of an origin that was not named cannot use the door', async (t) => {
  const page = await openPage(t);
  const served = await serveTeam(t, { origins: ['https://app.example.org'] });
  const { url, trust } = served;
  const statement = {
    ns: 'team',
    op: 'put',
    url: contact,
    obj: 'x',
    value: { name: 'x' },
  } as const;
  const said = await page.run<{ readonly error: string }>({ kind: 'write', url, trust, statement });
  assert.match(said.error, /the server does not answer/);
});
