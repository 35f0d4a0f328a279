import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRegistry, waitFor } from '@commongrid/base';
import type { MetricsRegistry } from '@commongrid/base';
import { Gate, hasCode } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { counting } from './support/counting.ts';
import { Grid } from './support/grid.ts';
import { RawLink } from './support/raw-link.ts';

const patience = { timeoutMs: 60_000, everyMs: 50 };

/** Values of all series, by name and labels as they are printed. */
async function read(registry: MetricsRegistry): Promise<ReadonlyMap<string, number>> {
  const lines = (await registry.render()).split('\n').filter((line) => !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}

test('a bot publishes what it did, and how it stands', async (t) => {
  const grid = await Grid.open(t);
  await using gate = await Gate.open(Number(new URL(grid.url).port));
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const registries = { anna: createRegistry(), bob: createRegistry() };
  const a = await grid.bot(anna, { actors: [counting], registry: registries.anna });
  const b = await grid.bot(bob, {
    ...{ actors: [counting], registry: registries.bob, url: gate.url },
    papers: join(grid.folder, 'bob'),
  });
  const client = a.client(counting, b.id);
  await client.echo({ text: 'x' });
  await assert.rejects(client.read({}), hasCode('BOT_NOT_PERMITTED'));
  await assert.rejects(client.lie({}), hasCode('BOT_OUTPUT_INVALID'));
  a.send({ to: b.id, kind: 'counting.note', body: { n: 1 } });
  a.send({ to: b.id, kind: 'counting.read', body: {} });
  const refused = 'bot_outbox_messages{state="refused"}';
  const isBrought = async (): Promise<boolean> => {
    const now = await read(registries.anna);
    return now.get(refused) === 1 && now.get('bot_outbox_messages{state="waiting"}') === 0;
  };
  await waitFor(isBrought, { what: 'both letters to be brought', ...patience });
  using stranger = await RawLink.open(b.address, SigningKey.generate());
  stranger.send({ t: 'hello', v: 1, log: 'M'.repeat(43), bot: a.id, checkpoint: 'x' });
  assert.equal(await stranger.refusal(), 'BOT_OTHER_LOG');
  await assert.rejects(b.call('backup.now', {}), hasCode('BOT_BACKUP_UNPLACED'));

  const sent = await read(registries.anna);
  assert.equal(sent.get('bot_messages_sent_total{outcome="delivered"}'), 1);
  assert.equal(sent.get('bot_messages_sent_total{outcome="refused"}'), 1);
  const now = await read(registries.bob);
  const calls = (outcome: string) =>
    now.get(`bot_calls_total{way="link",outcome="${outcome}"}`) ?? 0;
  // Letters come over the link as calls, too, and may come twice.
  assert.ok(calls('done') >= 2 && calls('refused') >= 2, `${calls('done')} ${calls('refused')}`);
  assert.equal(calls('failed'), 1);
  const all = calls('done') + calls('refused') + calls('failed');
  assert.equal(now.get('bot_call_seconds_count{way="link"}'), all);
  assert.equal(now.get('bot_method_faults_total{method="counting.lie"}'), 1);
  assert.equal(now.get('bot_messages_arrived_total{outcome="taken"}'), 1);
  assert.ok((now.get('bot_messages_arrived_total{outcome="refused"}') ?? 0) >= 1);
  assert.equal(now.get('bot_links_refused_total{code="BOT_OTHER_LOG"}'), 1);
  assert.equal(now.get('bot_links'), 1);
  assert.equal(now.get('bot_database_up'), 1);
  assert.equal(now.get('bot_halted'), 0);
  assert.equal(now.get('bot_backups_total{outcome="failed"}'), 1);
  assert.ok(!now.has('bot_backup_age_seconds'));

  await b.call('backup.now', { folder: join(grid.folder, 'backups') });
  const age = (await read(registries.bob)).get('bot_backup_age_seconds') ?? Number.NaN;
  assert.ok(age >= 0 && age < 3_600, String(age));
  gate.shut();
  await assert.rejects(b.call('backup.now', {}), hasCode('BOT_RECORD_STALE'));
  assert.equal((await read(registries.bob)).get('bot_database_up'), 0);
});
