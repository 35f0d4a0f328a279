import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';
import { fakeId } from '@commongrid/model/testing';

import { InviteBook } from '../src/node/invite-book.ts';
import type { Invite } from '../src/node/invite-book.ts';
import { inviteProof, secretHashOf } from '../src/node/join-token.ts';
import type { JoinToken } from '../src/node/join-token.ts';
import { nameOfMachine, NodeFolder } from '../src/node/node-folder.ts';

const [log, secret, farm] = [fakeId.hash(1), fakeId.hash(2), fakeId.farm(1)];
const [first, second] = [fakeId.node(1), fakeId.node(2)];
const secretHash = secretHashOf(secret).toString('base64url');
const invite: Invite = { schema: 'grid.invite.1', secretHash, log, farm, expiresMs: 1_000 };

const token: JoinToken = {
  ...{ v: 1, log, sequencer: fakeId.key(1), releaseKeys: [], urls: ['http://10.0.0.1:6381'] },
  ...{ farm, secret, expiresMs: 1_000, hubs: [] },
};

function shown(id = first, change: object = {}) {
  return { id, farm, invite: inviteProof(secretHashOf(secret), log, id), ...change };
}

test('invite book knows the node that shows the secret, and keeps the secret from others', async () => {
  await using folder = await tempFolder('invites');
  const path = join(folder.path, 'invites');
  const book = new InviteBook(path);
  assert.deepEqual(await book.list(), []);
  await book.add(invite);
  assert.deepEqual(await book.inviteOf(shown(), log, 999), invite);
  const [name = ''] = await readdir(path);
  assert.equal((await stat(join(path, name))).mode & 0o777, 0o600);
});

test('invite book does not know a node with a wrong proof, log, farm or time', async () => {
  await using folder = await tempFolder('invites');
  const book = new InviteBook(folder.path);
  await book.add(invite);
  const strangers = [
    shown(first, { invite: undefined }),
    shown(first, { invite: 'A' }),
    shown(first, { invite: shown(second).invite }),
    shown(first, { farm: fakeId.farm(2) }),
  ];
  for (const node of strangers) {
    assert.equal(await book.inviteOf(node, log, 0), undefined, JSON.stringify(node));
  }
  assert.equal(await book.inviteOf(shown(), fakeId.hash(9), 0), undefined);
  assert.equal(await book.inviteOf(shown(), log, 1_000), undefined);
});

test('invitation is for one node, also when that asks again', async () => {
  await using folder = await tempFolder('invites');
  const book = new InviteBook(folder.path);
  await book.add(invite);
  await book.settle(invite, first);
  const again = new InviteBook(folder.path);
  assert.equal((await again.inviteOf(shown(first), log, 0))?.node, first);
  assert.equal(await again.inviteOf(shown(second), log, 0), undefined);
});

test('invite book says which file is damaged', async () => {
  await using folder = await tempFolder('invites');
  await writeFile(join(folder.path, 'broken.json'), '{');
  await assert.rejects(new InviteBook(folder.path).list(), hasCode('GRID_FILE_UNREADABLE'));
});

test('node joins once, and by the same token again to the same', async () => {
  await using folder = await tempFolder('node');
  const node = new NodeFolder(join(folder.path, 'node'));
  await assert.rejects(node.read(), hasCode('GRID_NODE_NOT_JOINED'));
  const config = await node.join(token, 'shelf-3');
  assert.equal(config.invite, inviteProof(secretHashOf(secret), log, config.node));
  assert.equal((await stat(node.keyFile)).mode & 0o777, 0o600);
  assert.deepEqual(await node.join(token, 'shelf-4'), config);
  assert.deepEqual(await node.read(), config);
  const other = { ...token, secret: fakeId.hash(5) };
  await assert.rejects(node.join(other), hasCode('GRID_NODE_JOINED'));
});

test('name of a machine becomes one that a node can have', () => {
  assert.equal(nameOfMachine('Shelf_3.cellar.example'), 'shelf-3-cellar-example');
  assert.equal(nameOfMachine(`${'a'.repeat(31)}.b`), 'a'.repeat(31));
  assert.equal(nameOfMachine('-'), 'node');
});
