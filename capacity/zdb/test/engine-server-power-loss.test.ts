import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { ZdbServer } from '../src/index.ts';
import { PowerLossFiles } from '@commongrid/files/testing';
import { FOLDER, openStore, reproducible, testSeed } from './support/engine-crash.ts';
import { type Content, WireLoad } from './support/wire-load.ts';

const COMMANDS = 250;
const POINTS = 25;

test('server keeps what its replies acknowledged when the power goes', async () => {
  const seed = testSeed();
  await using temp = await tempFolder('server-power-loss');
  const root = path.join(temp.path, 'live');
  fs.mkdirSync(root);
  const disk = new PowerLossFiles({ root });
  const server = await ZdbServer.open({
    dataDir: path.join(root, FOLDER),
    listen: [{ host: '127.0.0.1', port: 0 }],
    segmentBytes: 1024 * 1024,
    files: disk.files,
  });
  const loads = ['one', 'two', 'three'].map(
    (name) => new WireLoad(name, seededRandom(`${seed}/${name}`)),
  );
  for (const load of loads) {
    await load.connect(server.addresses[0]?.port ?? 0);
    load.onAcknowledged = () => disk.mark({ name: load.namespace, count: load.acknowledgedCount });
  }
  await Promise.all(loads.map((load) => load.run(COMMANDS)));
  await Promise.all(loads.map((load) => load.close()));
  await server.close();

  const random = seededRandom(seed);
  const start = disk.trace.findIndex((call) => call.kind === 'mark');
  for (let i = 0; i < POINTS; i++) {
    const callIndex = random.int(start, disk.trace.length + 1);
    const target = fs.mkdtempSync(path.join(temp.path, 'image-'));
    disk.crashImage(callIndex, random, target);
    const acknowledged = new Map<string, number>();
    for (const mark of disk.marksBefore(callIndex) as { name: string; count: number }[]) {
      acknowledged.set(mark.name, mark.count);
    }
    const faults = await missing(target, loads, acknowledged);
    assert.deepEqual(faults, [], reproducible(seed, callIndex, faults));
    fs.rmSync(target, { recursive: true });
  }
});

/** Namespaces that are in none of the states from the last acknowledged command on. */
async function missing(
  root: string,
  loads: readonly WireLoad[],
  acknowledged: ReadonlyMap<string, number>,
): Promise<string[]> {
  const store = await openStore(root);
  const faults = store.recovery.filter((one) => one.kind === 'corrupt').map((one) => one.text);
  for (const load of loads) {
    const found: Content = new Map();
    const namespace = store.namespaces.get(load.namespace);
    const count = acknowledged.get(load.namespace) ?? 0;
    if (namespace !== undefined) {
      for (const key of load.keys) {
        const source = Buffer.from(key);
        const state = await store.retrying(() => store.lookup(namespace, source, 0, source.length));
        if (state === 'live') found.set(key, store.value().toString('latin1'));
      }
    }
    if (!load.wasEver(found, count))
      faults.push(`${load.namespace} lacks some of ${count} commands`);
  }
  await store.close();
  return faults;
}
