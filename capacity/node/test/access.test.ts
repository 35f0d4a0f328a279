import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasCode, ManualClock, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { KeyText } from '@commongrid/model';
import { botOf, draft, fakeId, found, keyEntry, MemoryGrid } from '@commongrid/model/testing';
import type { Actor } from '@commongrid/model/testing';

import { AccessDesk, accessMsMax } from '../src/access/access-desk.ts';
import type { AccessView } from '../src/access/access-desk.ts';
import { signAccess } from '../src/access/access-token.ts';
import type { AccessClaim } from '../src/access/access-token.ts';

const node = fakeId.node(9);

/** A grid where `owner` has a contract, and both it and `other` have a device whose key is real. */
async function ownedWorkload() {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await tempFolder('access'));
  const grid = new MemoryGrid();
  const [ownerKey, otherKey] = [SigningKey.generate(), SigningKey.generate()];
  const owner = bot(grid, 1, 'owner', ownerKey);
  bot(grid, 2, 'other', otherKey);
  const workload = fakeId.workload(draft(grid, owner, [owner]), 'web', 0);
  const clock = new ManualClock(grid.at);
  const view: AccessView = {
    grid,
    get moment() {
      return grid.moment;
    },
    revisionOf: (id) => (id === workload ? 3 : undefined),
  };
  const claim = (change: Partial<AccessClaim> = {}) => ({
    log: grid.log,
    node,
    workload,
    revision: 3,
    verb: 'exec' as const,
    expMs: clock.nowMs() + 60_000,
    ...change,
  });
  const sign = (change?: Partial<AccessClaim>, key = ownerKey) => signAccess(key, claim(change));
  const openDesk = () => AccessDesk.open({ folder, log: grid.log, node, clock });
  const owned = stack.move();
  return {
    ...{ folder, grid, owner, ownerKey, otherKey, clock, view, sign, openDesk, workload },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function bot(grid: MemoryGrid, n: number, name: string, device: SigningKey): Actor {
  const who = found(grid, n, name);
  const key = device.publicKey.text as KeyText;
  const entries = botOf(grid, who, name).keys;
  const keys = [...entries, keyEntry(grid, who.id, key, 'device')];
  const told = grid.put('grid.bot.1', who.root, botOf(grid, who, name, { keys }));
  assert.equal(told.code, undefined);
  return who;
}

test('access token of the owner is good once, also after a restart', async () => {
  await using place = await ownedWorkload();
  const token = place.sign();
  const desk = await place.openDesk();
  const claim = await desk.verify(token, 'exec', place.view);
  assert.equal(claim.workload, place.workload);
  await assert.rejects(desk.verify(token, 'exec', place.view), hasCode('NODE_TOKEN_USED'));
  const next = await place.openDesk();
  await assert.rejects(next.verify(token, 'exec', place.view), hasCode('NODE_TOKEN_USED'));
  await next.verify(place.sign(), 'exec', place.view);
});

test('access token that comes twice at once is good once', async () => {
  await using place = await ownedWorkload();
  const desk = await place.openDesk();
  const token = place.sign();
  const all = [1, 2, 3].map(() => desk.verify(token, 'exec', place.view));
  const settled = await Promise.allSettled(all);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  );
});

test('access token for something else is refused, each with its code', async () => {
  await using place = await ownedWorkload();
  const desk = await place.openDesk();
  const nowMs = place.clock.nowMs();
  const other = fakeId.workload(fakeId.contract(7), 'web', 0);
  const sibling = place.workload.replace(/0$/, '1') as typeof place.workload;
  const cases: [Partial<AccessClaim>, string][] = [
    [{ log: fakeId.hash(7) }, 'NODE_TOKEN_OTHER_NODE'],
    [{ node: fakeId.node(7) }, 'NODE_TOKEN_OTHER_NODE'],
    [{ verb: 'logs' }, 'NODE_TOKEN_OTHER_VERB'],
    [{ expMs: nowMs }, 'NODE_TOKEN_EXPIRED'],
    [{ expMs: nowMs + accessMsMax + 1 }, 'NODE_TOKEN_INVALID'],
    [{ workload: other }, 'NODE_NOT_OWNER'],
    [{ workload: sibling }, 'NODE_WORKLOAD_UNKNOWN'],
    [{ revision: 2 }, 'NODE_TOKEN_OTHER_REVISION'],
    [{ revision: 2.5 }, 'NODE_TOKEN_INVALID'],
    [{ ...({ more: 1 } as object) }, 'NODE_TOKEN_INVALID'],
  ];
  for (const [change, code] of cases) {
    const verified = desk.verify(place.sign(change), 'exec', place.view);
    await assert.rejects(verified, hasCode(code), JSON.stringify(change));
  }
  await desk.verify(place.sign({ expMs: nowMs + accessMsMax }), 'exec', place.view);
});

test('access token by any other key than a device of the owner is refused', async () => {
  await using place = await ownedWorkload();
  const desk = await place.openDesk();
  for (const key of [place.otherKey, SigningKey.generate()]) {
    const verified = desk.verify(place.sign({}, key), 'exec', place.view);
    await assert.rejects(verified, hasCode('NODE_NOT_OWNER'));
  }
  const { grid, owner, ownerKey } = place;
  const key = ownerKey.publicKey.text as KeyText;
  const entries = botOf(grid, owner, 'owner').keys;
  const keys = [...entries, keyEntry(grid, owner.id, key, 'device', 'retired')];
  grid.put('grid.bot.1', owner.root, botOf(grid, owner, 'owner', { keys }));
  await assert.rejects(desk.verify(place.sign(), 'exec', place.view), hasCode('NODE_NOT_OWNER'));
});

test('access token that was altered is refused', async () => {
  await using place = await ownedWorkload();
  const desk = await place.openDesk();
  const token = place.sign();
  const [claim = '', key = '', signature = ''] = token.split('.');
  const forged = place.sign({ revision: 4 }).split('.')[0] ?? '';
  const foreign = place.otherKey.publicKey.bytes.toBase64({
    alphabet: 'base64url',
    omitPadding: true,
  });
  for (const text of [
    '',
    '..',
    'x',
    `${claim}.${key}`,
    `${token}.${signature}`,
    `${forged}.${key}.${signature}`,
    `${claim}.${foreign}.${signature}`,
    `${claim}.${key}.${signature.slice(1)}`,
    `${claim}!.${key}.${signature}`,
    'A'.repeat(1_000_000),
  ]) {
    await assert.rejects(desk.verify(text, 'exec', place.view), hasCode('NODE_TOKEN_INVALID'));
  }
  await desk.verify(token, 'exec', place.view);
});

test('access token that was used and forgotten stays used when the clock is set back', async () => {
  await using place = await ownedWorkload();
  const desk = await place.openDesk();
  const token = place.sign();
  const startMs = place.clock.nowMs();
  await desk.verify(token, 'exec', place.view);
  await place.clock.advance(120_000);
  // This one makes room by forgetting the first.
  await desk.verify(place.sign(), 'exec', place.view);
  const back = { folder: place.folder, log: place.grid.log, node, clock: new ManualClock(startMs) };
  const next = await AccessDesk.open(back);
  await assert.rejects(next.verify(token, 'exec', place.view), hasCode('NODE_TOKEN_USED'));
});

test('access token is not revived by a clock that is behind the log', async () => {
  await using place = await ownedWorkload();
  const desk = await place.openDesk();
  const token = place.sign();
  place.grid.at += 60_001;
  await assert.rejects(desk.verify(token, 'exec', place.view), hasCode('NODE_TOKEN_EXPIRED'));
});

test('access desk whose file is damaged refuses all that may have been used', async () => {
  await using place = await ownedWorkload();
  const token = place.sign();
  await writeFile(join(place.folder, 'used-tokens.json'), '{"floor');
  const desk = await place.openDesk();
  await assert.rejects(desk.verify(token, 'exec', place.view), hasCode('NODE_TOKEN_USED'));
  await place.clock.advance(accessMsMax);
  await desk.verify(place.sign(), 'exec', place.view);
});

test('access desk keeps so many tokens of one owner', async () => {
  await using place = await ownedWorkload();
  const used = Array.from({ length: 256 }, (_, i) => [
    `n${i}`,
    place.clock.nowMs() + 10,
    place.owner.id,
  ]);
  const path = join(place.folder, 'used-tokens.json');
  await writeFile(path, JSON.stringify({ floorMs: 0, used }));
  const desk = await place.openDesk();
  const verified = desk.verify(place.sign(), 'exec', place.view);
  await assert.rejects(verified, hasCode('NODE_TOKENS_TOO_MANY'));
  await place.clock.advance(10);
  await desk.verify(place.sign(), 'exec', place.view);
});
