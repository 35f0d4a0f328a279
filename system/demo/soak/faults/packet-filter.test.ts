import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';

import { errorCode } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { DemoNetwork } from '../../demo-network.ts';
import { endLoss, losePackets } from './packet-filter.ts';

/** A port at which nothing listens: whoever is reached says so. */
const closedPort = 9;

/** Whether a machine says that nothing listens there. */
async function answers(host: string, withinMs: number): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port: closedPort });
  socket.setTimeout(withinMs, () => resolve(false));
  socket.on('connect', () => reject(new Error('something listens there')));
  socket.on('error', (error) => {
    if (errorCode(error) === 'ECONNREFUSED') resolve(true);
    else reject(error);
  });
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

test('packets are lost in the direction that is said, as many as is said, until that ends', async () => {
  await using folder = await tempFolder('packet-filter');
  const network = DemoNetwork.make(folder.path);
  try {
    network.addMachine(0);
    const netns = join('/run/netns', network.netnsOf(0));
    const host = network.addressOf(0);
    assert.equal(await answers(host, 60_000), true);
    for (const direction of ['in', 'out', 'both'] as const) {
      await losePackets(netns, { direction, percent: 100 });
      assert.equal(await answers(host, 500), false, direction);
      await endLoss(netns);
      assert.equal(await answers(host, 60_000), true, direction);
    }
    await losePackets(netns, { direction: 'both', percent: 0 });
    assert.equal(await answers(host, 60_000), true);
  } finally {
    await network.remove();
  }
});
