import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller, Permission } from '../actors/caller.ts';
import { mayUse, mayUseAll } from './data-rights.ts';
import type { DataRules } from './data-rights.ts';

const rules: DataRules = {
  shares: [
    { path: 'notes', readers: 'known' },
    { path: 'notes/secret', readers: 'owner' },
    { path: 'files/photos', readers: 'public' },
    { path: 'files/photos/us', readers: 'circle' },
  ],
  rightsOf: (name) =>
    name === 'diary'
      ? [
          { path: 'notes', rights: ['read', 'write'] },
          { path: 'files', rights: ['read'] },
        ]
      : [],
  grantsTo: (name) => (name === 'bot:friend' ? [{ path: 'notes', rights: ['read', 'write'] }] : []),
};

function bot(standing: Permission): Caller {
  return { bot: 'bot:x', standing, way: 'link', account: 'bot:x' };
}

function app(name: string): Caller {
  return { bot: undefined, app: name, standing: 'public', way: 'http', account: `app:${name}` };
}

test('the narrowest share decides who reads, and nobody else writes', () => {
  const reads = (standing: Permission, path: string) => mayUse(bot(standing), 'read', path, rules);
  assert.deepEqual([reads('public', 'notes/1'), reads('known', 'notes/1')], [false, true]);
  assert.ok(!reads('admin', 'notes/secret') && !reads('circle', 'notes/secret/2'));
  assert.ok(reads('known', 'notes/secrets'));
  assert.ok(reads('public', 'files/photos/cat.jpg') && !reads('known', 'files/photos/us/1'));
  assert.ok(reads('circle', 'files/photos/us/1') && !reads('admin', 'files/other'));
  assert.ok(!reads('admin', 'tasks/1') && reads('owner', 'tasks/1'));
  assert.ok(!mayUse(bot('admin'), 'write', 'notes/1', rules));
  assert.ok(mayUse(bot('owner'), 'write', 'notes/secret', rules));
});

test('all below a path is for those alone who may read each part of it', () => {
  assert.ok(!mayUseAll(bot('known'), 'read', 'notes', rules));
  assert.ok(mayUseAll(bot('owner'), 'read', 'notes', rules));
  assert.ok(!mayUseAll(bot('known'), 'read', 'files/photos', rules));
  assert.ok(mayUseAll(bot('circle'), 'read', 'files/photos', rules));
});

test('an app has the rights that it was given, and no others', () => {
  assert.ok(mayUse(app('diary'), 'write', 'notes/secret', rules));
  assert.ok(mayUseAll(app('diary'), 'read', 'files', rules));
  assert.ok(!mayUse(app('diary'), 'write', 'files/a', rules));
  assert.ok(!mayUse(app('diary'), 'read', 'notesx/1', rules));
  // What is for everybody is for an app only where it was given to it.
  assert.ok(!mayUse(app('other'), 'read', 'files/photos/cat.jpg', rules));
});

test('a bot has what it was given by name, and what all bots have', () => {
  const friend = { ...bot('known'), bot: 'bot:friend' };
  assert.ok(mayUse(friend, 'write', 'notes/secret', rules));
  assert.ok(mayUseAll(friend, 'read', 'notes', rules));
  assert.ok(
    !mayUse(friend, 'write', 'tasks/1', rules) && !mayUse(friend, 'write', 'notesx/1', rules),
  );
  assert.ok(mayUse(friend, 'read', 'files/photos/cat.jpg', rules));
  // Nobody knows whether its key is still its own.
  const old = { ...friend, isOld: true };
  assert.ok(!mayUse(old, 'write', 'notes/1', rules) && mayUse(old, 'read', 'notes/1', rules));
  // An app of the owner is no bot.
  assert.ok(!mayUse({ ...friend, app: 'other' }, 'write', 'notes/1', rules));
});
