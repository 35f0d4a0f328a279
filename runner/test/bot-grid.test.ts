import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { HttpLightSource } from '@commongrid/bcdb/client';
import { waitFor } from '@commongrid/base';
import { nodeIdOf } from '@commongrid/model';
import type { LeaseName } from '@commongrid/model';

import { BotGrid } from '../src/bot-service/bot-grid.ts';
import { readKeyFile } from '../src/key-file.ts';
import { makeDeployment } from '../src/node/deployment.ts';
import { PlannedGrid } from './fixtures/planned-grid.ts';

const patience = { timeoutMs: 60_000, everyMs: 50 };

test('a bot sees its grid change, writes by one connection, and hears which nodes live', async () => {
  await using planned = await PlannedGrid.open();
  const { client, grid: owned, trust, url, path } = planned.place;
  const key = await readKeyFile(join(path, 'home', 'identity', 'owner-key'));
  await using grid = await BotGrid.open({
    ...{ folder: join(path, 'feed'), bot: owned.owner, url, key, trust, releaseKeys: [] },
    source: new HttpLightSource({ url, log: trust.log, key }),
    atLog: (work, signal) => work(client, signal),
  });
  const signal = AbortSignal.timeout(120_000);
  const isHeard = async (look: () => Promise<boolean>): Promise<void> => {
    while (!(await look())) await grid.changed(signal);
    assert.equal(signal.aborted, false);
  };

  // What others say is told without being asked for.
  const farm = await planned.farm('cellar', { farmer: planned.ada, country: 'BE' });
  await isHeard(async () => {
    return (await grid.now({ signal })).fold.current('grid.farm.1', farm) !== undefined;
  });
  const node = await planned.node(farm, planned.ada, 'shelf-1');
  await isHeard(
    async () => (await grid.presence([node], { signal })).get(node)?.standing === 'alive',
  );
  const stranger = nodeIdOf(key.publicKey.text);
  assert.deepEqual([...(await grid.presence([stranger], { signal })).keys()], []);
  assert.equal((await grid.node(node, { signal }))?.name, 'shelf-1');
  assert.equal(await grid.node(stranger, { signal }), undefined);
  const { nodes } = await grid.directory((await grid.now({ signal })).at, { signal });
  assert.deepEqual(
    nodes.map(({ id, isInService, presence }) => [id, isInService, presence]),
    [[node, true, 'alive']],
  );

  // What it writes is there at once, and a lease is held by its key until it is let go.
  const { draft } = await makeDeployment(
    { name: 'web', roles: [{ name: 'data', volume: { size: '16MiB' } }] },
    {
      ...{ log: trust.log, owner: owned.owner, controller: owned.key },
      ...{ at: (await grid.now({ signal })).at, resolveImage: async () => '' },
    },
  );
  await grid.write({ url: 'grid.contract.1', obj: draft.id, value: draft.header }, { signal });
  const { fold } = await grid.now({ signal });
  assert.equal(fold.current('grid.contract.1', draft.id)?.name, 'web');
  const name = draft.id as string as LeaseName;
  const lease = await grid.leases.acquire(name, signal);
  assert.deepEqual([lease.fence, lease.isHeld()], [1, true]);
  await lease.release();
  const again = await grid.leases.acquire(name, signal);
  assert.equal(again.fence, 2);
  await again.close();
  const stop = new AbortController();
  const waiting = grid.changed(stop.signal);
  stop.abort();
  await waitFor(async () => (await waiting, true), { ...patience, what: 'the end of a wait' });
});
