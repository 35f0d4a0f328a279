import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { ControlSocket, delay, GridError, identityOf } from '@commongrid/base';
import type { ControlAction } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { controlPathOf } from '@commongrid/zstor';

import { freezeStorage } from '../src/backup/frozen-storage.ts';
import { GridHome } from '../src/home.ts';

/** A head as far as those see it who ask it to wait. */
async function openHome(
  stack: AsyncDisposableStack,
  hold?: ControlAction,
  serves: ControlAction = async () => ({}),
): Promise<GridHome> {
  const folder = stack.use(await tempFolder('frozen'));
  const home = new GridHome(join(folder.path, 'home'));
  await home.create();
  if (hold === undefined) return home;
  stack.use(await ControlSocket.open({ path: controlPathOf(home.s3), actions: { hold, serves } }));
  return home;
}

const untilGone: ControlAction = async (_, { signal, progress }) => {
  progress({ isHeld: true, epoch: 7 });
  await delay(2 ** 30, { signal });
};

const servesElsewhere: ControlAction = async () => {
  throw new GridError('ZSTOR_CATALOG_NOT_SERVING', 'another one does');
};

test('a storage is frozen while its head waits, or where there is none', async () => {
  await using stack = new AsyncDisposableStack();
  for (const hold of [untilGone, undefined]) {
    const home = await openHome(stack, hold);
    stack.use(await freezeStorage(home, { holdMs: 60_000 }));
  }
});

test('a head that lets nothing wait is not waited for without end', async () => {
  await using stack = new AsyncDisposableStack();
  const home = await openHome(stack, (_, { signal }) => delay(2 ** 30, { signal }));
  await assert.rejects(freezeStorage(home, { timeoutMs: 50 }), hasCode('BASE_TIMEOUT'));
});

test('a hold counts for no longer than a head keeps it, whenever it says so', async () => {
  await using stack = new AsyncDisposableStack();
  const home = await openHome(stack, untilGone);
  await assert.rejects(freezeStorage(home, { holdMs: 0 }), hasCode('GRID_BACKUP_PLACE_FAILED'));
});

test('a storage that another head served while it was frozen is frozen again, and not for ever', async () => {
  await using stack = new AsyncDisposableStack();
  const asked: unknown[] = [];
  const home = await openHome(stack, untilGone, async ({ epoch }, context) => {
    asked.push(epoch);
    return asked.length === 1 ? servesElsewhere({}, context) : {};
  });
  stack.use(await freezeStorage(home, { holdMs: 60_000 }));
  assert.deepEqual(asked, [7, 7]);
  const other = await openHome(stack, untilGone, servesElsewhere);
  const freezing = freezeStorage(other, { holdMs: 60_000 });
  await assert.rejects(freezing, hasCode('GRID_BACKUP_OTHER_HEAD'));
});

test('a head that does not serve has nothing wait: the one that does is named', async () => {
  await using stack = new AsyncDisposableStack();
  const home = await openHome(stack, servesElsewhere);
  await assert.rejects(freezeStorage(home, { timeoutMs: 500 }), hasCode('GRID_BACKUP_OTHER_HEAD'));
});

test('a head that lives and does not listen is none that is not there', async () => {
  await using stack = new AsyncDisposableStack();
  const home = await openHome(stack);
  const process = await identityOf(globalThis.process.pid);
  const supervisor = { ...process, startTicks: 0 };
  const state = { schema: 'grid.state.1', home: home.path, portBase: null, supervisor };
  const services = { s3: { phase: 'running', process } };
  await writeFile(join(home.run, 'state.json'), JSON.stringify({ ...state, services }));
  await assert.rejects(freezeStorage(home, { timeoutMs: 50 }), hasCode('BASE_TIMEOUT'));
});
