import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import { counting } from './support/counting.ts';
import { Grid, ownerTokenOf } from './support/grid.ts';
import { KeptHeads } from './support/kept-heads.ts';
import { ownerCall } from './support/owner-call.ts';
import { RawLink } from './support/raw-link.ts';

const patience = { timeoutMs: 60_000, everyMs: 300 };

test('two heads that contradict each other are kept, and nothing new starts', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const fork = await grid.fork();
  // Both branches grow, the one that bob sees further.
  for (const name of ['carl', 'dora', 'emil']) await grid.self(name);
  await fork.bcdb.createNamespace('other');
  const heads = new KeptHeads(join(grid.folder, 'bob'));
  const options = { actors: [counting], heads };
  const b = await grid.bot(bob, options);
  const a = await grid.bot(anna, { actors: [counting] });
  const client = a.client(counting, b.id);
  assert.equal((await client.who({})).bot, a.id);

  const { log } = grid.trust;
  const halt = async (): Promise<unknown> => {
    using link = await RawLink.open(b.address, anna.device);
    const checkpoint = fork.bcdb.signedHead().note;
    link.send({ t: 'hello', v: 1, log, bot: anna.id, checkpoint });
    assert.equal(await link.refusal(), 'BOT_LOG_FORKED');
    const status = await ownerCall(b, ownerTokenOf(bob), 'bot.status', {});
    return (status as { readonly halt: string | null }).halt;
  };
  // It is the sequencer's doing once it signs the shorter branch later than the longer one.
  await waitFor(halt, { what: 'the halt', ...patience });
  const evidence = JSON.parse(await readFile(heads.evidenceFile, 'utf8')) as {
    readonly code: string;
    readonly details: { readonly seen: string; readonly shown: string };
  };
  assert.equal(evidence.code, 'BCDB_LOG_FORKED');
  assert.notEqual(evidence.details.seen, evidence.details.shown);
  for (const note of [evidence.details.seen, evidence.details.shown]) assert.match(note, /\n— /);
  await assert.rejects(client.who({}), hasCode('BOT_LOG_FORKED'));
  await assert.rejects(client.echo({ text: 'x' }), hasCode('BOT_LOG_FORKED'));
  // It stays so after a restart.
  await b.close();
  const again = await grid.bot(bob, options);
  await assert.rejects(a.client(counting, again.id).who({}), hasCode('BOT_LOG_FORKED'));
});

test('an older checkpoint of the same log is no contradiction', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const old = grid.bcdb.signedHead().note;
  await grid.self('carl');
  const b = await grid.bot(bob);
  using link = await RawLink.open(b.address, anna.device);
  const { log } = grid.trust;
  link.send({ t: 'hello', v: 1, log, bot: anna.id, checkpoint: old });
  assert.equal((await link.next())?.['t'], 'hello');
});
