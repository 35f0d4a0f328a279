import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { waitFor, writeFileAtomic } from '@commongrid/base';
import type { CareStatus } from '../src/care/care-status.ts';
import { Stor } from '../src/stor.ts';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import { fourPlusTwo, mebibyte, randomBytesOf } from './support/cluster.ts';

const patience = { timeoutMs: 60_000, everyMs: 200 };
/** Whoever is merely away is not given up while the test lasts. */
const waitsForEver = { lostAfterMs: 86_400_000, goneAfterMs: 86_400_000 };
const context = { signal: AbortSignal.timeout(300_000), progress: (): void => {} };

interface Entry {
  readonly address: string;
  readonly namespace?: string;
  readonly log?: string;
  readonly node: string;
  readonly replaces?: readonly string[];
}

let fleet: ZdbFleet;
before(async () => {
  fleet = await ZdbFleet.open(8);
});
after(() => fleet[Symbol.asyncDispose]());

/** Six servers with shards, five of them with the log, each namespace an entry of its own. */
async function makeStore(name: string): Promise<{ file: string; entries: readonly Entry[] }> {
  const file = await fleet.makeStore(name, { servers: 6, logs: 5 });
  const whole = JSON.parse(await readFile(file, 'utf8')) as readonly (Entry & { keys?: string })[];
  const shards = whole.map(({ log: _log, keys: _keys, ...entry }) => entry);
  const logs = whole.flatMap(({ namespace: _shards, keys: _keys, ...entry }) => {
    return entry.log === undefined ? [] : [entry];
  });
  const entries = [...shards, ...logs];
  await writeFileAtomic(file, JSON.stringify(entries));
  return { file, entries };
}

/** The file once another server has the place of one: the former names stand beside the new ones. */
async function replace(
  file: string,
  entries: readonly Entry[],
  from: number,
  to: number,
): Promise<readonly Entry[]> {
  const next = entries.map((entry): Entry => {
    if (entry.node !== `node-${from}`) return entry;
    const { address: former, ...rest } = entry;
    const address = `127.0.0.1:${fleet.server(to).port}`;
    const name = `${former}/${entry.namespace ?? entry.log}`;
    return { ...rest, address, node: `node-${to}`, replaces: [name] };
  });
  await writeFileAtomic(file, JSON.stringify(next));
  return next;
}

async function survey(stor: Stor): Promise<CareStatus> {
  return (await stor.actions['survey']?.({}, context)) as CareStatus;
}

test('what a replaced backend had is made again in its successor at once, log and shards', async () => {
  const { file, entries } = await makeStore('moved');
  await using stor = await Stor.open({
    ...{ folder: join(fleet.folder, 'moved-head'), backendsFile: file },
    ...{ policy: fourPlusTwo, canBegin: true, care: waitsForEver },
  });
  const files = ['a', 'b', 'c'];
  const bytesOf = (name: string): Buffer => randomBytesOf(2 * mebibyte + 7, name);
  for (const name of files) await stor.put(name, [bytesOf(name)]);
  const former = `${entries[2]?.address}/moved-shards`;
  const formerLog = `${entries[2]?.address}/moved-log`;
  const { needed, missingShards } = await survey(stor);
  assert.ok(needed.includes(former) && needed.includes(formerLog));
  assert.equal(missingShards, 0);

  await fleet.kill(2);
  await replace(file, entries, 2, 6);
  const isElsewhere = async (): Promise<boolean> => {
    const now = await survey(stor);
    return !now.needed.includes(former) && !now.needed.includes(formerLog);
  };
  await waitFor(isElsewhere, { ...patience, what: 'the successor to have it' });
  const status = await survey(stor);
  const successor = `127.0.0.1:${fleet.server(6).port}/moved-shards`;
  assert.equal(status.missingShards, 0);
  assert.ok(status.repaired.shards >= files.length);
  assert.ok(status.needed.includes(successor));
  assert.equal(status.log.members, 5);

  // As many as the code can spare, and none of those that went before them.
  await fleet.kill(0, 1);
  for (const name of files) {
    const parts: Buffer[] = [];
    for await (const bytes of stor.get(name)) parts.push(Buffer.from(bytes));
    assert.ok(Buffer.concat(parts).equals(bytesOf(name)));
  }
  await fleet.restart(0, 1, 2);
});
