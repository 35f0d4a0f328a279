import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { isGridError, silentLogger, waitFor } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import type { WorkloadId } from '@commongrid/model';
import { shortIdOf } from '@commongrid/node';
import type { NodeAgent } from '@commongrid/node';

import { makeDeployment } from '../src/node/deployment.ts';
import { readLogFacts } from '../src/node/log-facts.ts';
import { openNode, takeOff } from '../src/node/open-node.ts';
import { ZstorBackups } from '../src/node/zstor-backups.ts';
import { openStorage } from '../src/open-source.ts';
import { makeFarm, openGrid } from './fixtures/owned-place.ts';
import type { OpenGrid } from './fixtures/owned-place.ts';
import { placeByHand, removeByHand } from './fixtures/place-by-hand.ts';
import { openFleet } from './fixtures/zdb-fleet.ts';

const { signal } = new AbortController();
/** Two backups in a minute's distance may be needed. */
const deadline = { timeoutMs: 150_000, everyMs: 200 };
const shards = { dataShards: 4, parityShards: 2 };
const text = 'what must not be lost\n';

test('a node backs a volume up into a Zero-Stor, and a later volume begins with that', async () => {
  await using fleet = await openFleet();
  await using place = await openGrid();
  await using node = await startNode(place, fleet.backends);
  const { agent, folder } = node;
  const backups = { everySeconds: 60, keep: 2 };
  const first = await run(place, agent, { size: '16MiB', backups });
  await reach(agent, first.workload, 'healthy');
  const key = shortIdOf(first.workload);
  const file = (volume: string): string => join(folder, `machine/volumes/pool/v-${volume}/words`);
  await writeFile(file(key), text);
  const { uid } = await stat(join(file(key), '..'));
  await chown(file(key), uid + 5, uid + 5);
  const name = await backupAfter(agent, { ...fleet, folder, key, atMs: Date.now() });

  await removeByHand(first.contract, first.options);
  const isGone = (): boolean => agent.state.workload(first.workload) === undefined;
  await waitFor(isGone, { ...deadline, what: 'the volume to go' });
  await assert.rejects(readFile(file(key)), { code: 'ENOENT' });

  const second = await run(place, agent, { size: '16MiB', restore: name });
  await reach(agent, second.workload, 'healthy');
  const restored = file(shortIdOf(second.workload));
  assert.equal(await readFile(restored, 'utf8'), text);
  assert.equal((await stat(restored)).uid, uid + 5);

  const third = await run(place, agent, { size: '16MiB', restore: `${key}/auto-never` });
  await reach(agent, third.workload, 'failed');
  const failed = agent.state.events(0, 100, third.workload).find(({ phase }) => phase === 'failed');
  assert.equal(failed?.code, 'NODE_BACKUP_UNKNOWN');
});

async function startNode(place: OpenGrid, backends: string) {
  await using stack = new AsyncDisposableStack();
  const { trust, url, put, path } = place;
  const folder = join(path, 'node');
  await mkdir(folder, { mode: 0o700 });
  const farm = await makeFarm(place, 'cellar');
  const prefix = `r${randomBytes(1).toString('hex')}`;
  const key = SigningKey.generate();
  stack.defer(() => takeOff({ folder, prefix }));
  const agent = stack.use(
    await openNode({
      ...{ folder, key, farm, name: 'shelf-3', trust, url, prefix, releaseKeys: [], hubs: [] },
      ...{ volumeBytes: 256 * 2 ** 20, backups: { backends, shards }, software: '1.0.0' },
      logger: silentLogger,
    }),
  );
  const { id } = agent;
  const isIntroduced = async (): Promise<boolean> =>
    (await place.grid.nodes()).some(({ node }) => node.id === id);
  await waitFor(isIntroduced, { ...deadline, what: 'the node to say who it is' });
  await put('grid.adoption.1', id, { node: id, farm, standing: 'active' });
  const owned = stack.move();
  return { agent, folder, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Deploys one volume. */
async function run(
  { grid, client, trust }: OpenGrid,
  agent: NodeAgent,
  volume: Readonly<Record<string, unknown>>,
) {
  const { at } = await readLogFacts(client, trust.log);
  const options = { client, log: trust.log, owner: grid.owner, at };
  const { draft } = await makeDeployment(
    { name: 'shelf', roles: [{ name: 'data', volume }] },
    { ...options, controller: grid.key, resolveImage: async () => '' },
  );
  const isAdopted = async (): Promise<boolean> =>
    (await grid.adoptedNodes().catch(() => [])).some(({ id }) => id === agent.id);
  await waitFor(isAdopted, { ...deadline, what: 'the node to be adopted' });
  await placeByHand(draft, await grid.adoptedNodes(), options);
  return { contract: draft.id, workload: `${draft.id}/data/0` as WorkloadId, options };
}

async function reach(agent: NodeAgent, id: WorkloadId, phase: string): Promise<void> {
  const isThere = (): boolean => agent.state.workload(id)?.phase === phase;
  try {
    await waitFor(isThere, { ...deadline, what: `${id} to be ${phase}` });
  } catch (error) {
    if (isGridError(error, 'BASE_TIMEOUT')) console.log(agent.state.newestEvents(20));
    throw error;
  }
}

interface Wanted {
  readonly backends: string;
  readonly folder: string;
  readonly key: string;
  readonly atMs: number;
}

/** Name, as contracts have it, of a backup that was begun after a moment, and is whole. */
async function backupAfter(
  agent: NodeAgent,
  { backends, folder, key, atMs }: Wanted,
): Promise<string> {
  const from = `auto-${new Date(atMs + 1_000).toISOString().slice(0, 19)}`;
  const first = from.toLowerCase().replaceAll(':', '-');
  let madeMs = '';
  const look = async (): Promise<string | undefined> => {
    // The store has one head at a time: it is looked into only while the node has no work there.
    const made = agent.state.fact(`made backup ${key}`) ?? '';
    if (made === madeMs) return undefined;
    madeMs = made;
    const names = await namesIn(backends, folder);
    return names.find((name) => (name.split('/').at(-1) ?? '') >= first);
  };
  const name = await waitFor(look, { ...deadline, what: 'a backup' });
  const [, volume = '', own = ''] = name.split('/');
  assert.equal(volume, key);
  return `${volume}/${own}`;
}

/** As whoever has the key of the node's store sees it. */
function namesIn(backends: string, folder: string): Promise<readonly string[]> {
  const keyFile = join(folder, 'backups/key');
  const data = join(folder, '../reader');
  const reader = new ZstorBackups((until) =>
    openStorage({ data, backends, keyFile }, { canBegin: false, shards }, until),
  );
  return reader.list('', signal);
}
