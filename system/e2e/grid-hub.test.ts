import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { run, TestGrid } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

interface Up {
  readonly services: Record<string, { readonly pid: number; readonly address: string }>;
  readonly identity: { readonly key: string };
  readonly hub: {
    readonly url: string;
    readonly image: { readonly name: string; readonly digest: string } | null;
    readonly lack: string | null;
  };
}

/** One for all tests, in their order: a start takes seconds. */
let grid: TestGrid;
let up: Up;

before(async () => {
  grid = await TestGrid.open();
  up = await grid.json<Up>('up', '--port-base', '0', '--name', 'ada');
});

after(() => grid.close());

test('a grid has a hub with a base image of its owner, once and for good', async () => {
  assert.equal(up.hub.lack, null);
  assert.equal(up.hub.image?.name, 'ada/base');
  const { keys } = await grid.json<{ keys: string[] }>('hub', 'signers', 'ada/base');
  assert.deepEqual(keys, [up.identity.key]);
  // What is there is not made again, nor put.
  assert.deepEqual((await grid.json<Up>('up')).hub, up.hub);
  const quota = await grid.json<{ quotaBytes: number }>('hub', 'quota', 'bob', '1GiB');
  assert.equal(quota.quotaBytes, 2 ** 30);
  const found = await grid.json<{ repositories: unknown[] }>('hub', 'search', 'busybox');
  assert.equal(found.repositories.length, 1);
  const metrics = await fetch(`http://${await metricsOf()}/metrics`);
  assert.match(await metrics.text(), /^hub_requests_total\{/m);
  const { pid } = up.services['hub'] ?? { pid: 0 };
  process.kill(pid, 'SIGKILL');
  const isBack = async (): Promise<boolean> => {
    const ended = await grid.run('hub', 'ls', 'ada/base', '--json');
    return ended.status === 0;
  };
  await waitFor(isBack, { timeoutMs: 60_000, everyMs: 100, what: 'the hub' });
  await grid.json('down', 'bcdb');
  // Without the phonebook it is read.
  assert.ok(await isBack());
  await grid.json('up');
});

test('somebody with a bot changes what is his, until his key is ended', async () => {
  const [words, key, other] = ['bob-words', 'bob-key', 'bob-other-key'].map((name) =>
    join(grid.home, name),
  ) as [string, string, string];
  const byWords = ['--words-file', words];
  const made = await grid.json<Bot>('bcdb', 'bot', 'new', 'bob', key, ...byWords);
  assert.equal(made.name, 'bob');
  const taken = await grid.run('bcdb', 'bot', 'new', 'bob', other, ...byWords);
  assert.match(taken.stderr, /GRID_BOT_EXISTS/);
  const tag = (name: string, file: string): Promise<Ended> =>
    grid.run('hub', 'tag', 'ada/base', name, '--key-file', file);
  assert.equal((await tag('bob/base', key)).status, 0);
  assert.match((await tag('ada/base:bob', key)).stderr, /HUB_DENIED/);
  await grid.json('bcdb', 'key', 'new', other);
  assert.match((await tag('bob/base:2', other)).stderr, /HUB_KEY_UNKNOWN/);
  await grid.json('bcdb', 'bot', 'add-key', other, ...byWords);
  assert.equal((await tag('bob/base:2', other)).status, 0);
  const [{ key: first }] = made.keys as [Bot['keys'][number]];
  const whose = await grid.json<{ bot: { name: string } }>('bcdb', 'bot', 'whose', first);
  assert.equal(whose.bot.name, 'bob');
  const { keys } = await grid.json<Bot>('bcdb', 'bot', 'end-key', first, ...byWords);
  assert.deepEqual(
    keys.map(({ ended }) => ended),
    ['retired', null],
  );
  const isRefused = async (): Promise<boolean> =>
    (await tag('bob/base:3', key)).stderr.includes('HUB_KEY_UNKNOWN');
  await waitFor(isRefused, { timeoutMs: 60_000, everyMs: 250, what: 'the key to be refused' });
  assert.equal((await tag('bob/base:3', other)).status, 0);
});

test('commands that change one thing at the same time take turns', async () => {
  const words = join(grid.home, 'eve-words');
  const keys = ['eve-key', 'eve-key-2', 'eve-key-3'].map((name) => join(grid.home, name));
  const byWords = ['--words-file', words];
  await grid.json('bcdb', 'bot', 'new', 'eve', keys[0] ?? '', ...byWords);
  const further = keys.slice(1);
  for (const file of further) await grid.json('bcdb', 'key', 'new', file);
  const bots = await Promise.all(
    further.map((file) => grid.json<Bot>('bcdb', 'bot', 'add-key', file, ...byWords)),
  );
  assert.deepEqual(new Set(bots.map((bot) => bot.keys.length)), new Set([2, 3]));
  // Two records with one counter would be evidence against her.
  assert.deepEqual(await readdir(join(grid.home, 'bcdb', 'evidence')), []);
  const added = ['one', 'two', 'three'].map((name) => join(grid.home, name));
  const store = ['--store', join(grid.home, 'other-store')];
  await Promise.all(added.map((folder) => grid.json('flist', 'sources', 'add', folder, ...store)));
  const { sources } = await grid.json<Sources>('flist', 'sources', 'list', ...store);
  const names = new Set(sources.map(({ source }) => source));
  assert.deepEqual(new Set(added).difference(names), new Set());
});

test('an image of the hub is mounted by its name, and its content is fetched', async () => {
  const target = join(grid.home, 'mounted');
  const inspected = await grid.run('flist', 'inspect', 'ada/base');
  assert.match(inspected.stdout, /^ {2}command +\/bin\/sh$/m);
  const content = await grid.run('flist', 'cat', 'base', '/etc/passwd');
  assert.match(content.stdout, /^root:x:0:0:/);
  try {
    await grid.json('flist', 'mount', 'base', target);
    const said = await run('chroot', [target, '/bin/sh', '-c', 'echo hello']);
    assert.equal(said.stdout, 'hello\n', said.stderr);
    const wiped = await grid.run('down', '--wipe', '--yes');
    assert.match(wiped.stderr, /GRID_FLIST_IN_USE/);
    // Nothing was stopped by that.
    const { sources } = await grid.json<Sources>('flist', 'sources', 'list');
    assert.deepEqual(
      sources.map(({ isOwnHub }) => isOwnHub),
      [false, true],
    );
    await grid.json('flist', 'sources', 'add', grid.home, '--first');
    await grid.json('flist', 'sources', 'remove', `${grid.home}/flists`);
    await grid.json('zdb', 'ns', 'new', 'chunks');
    const zdb = `zdb://${up.services['zdb']?.address}/chunks`;
    const filled = await grid.json<{ chunks: number }>('flist', 'sources', 'fill', zdb, 'base');
    assert.ok(filled.chunks > 3);
    const { sources: changed, isRunning } = await grid.json<Sources>('flist', 'sources', 'list');
    assert.equal(isRunning, true);
    const unasked = { isOwnHub: false, lastFailure: null, refusedChunks: 0 };
    assert.deepEqual(changed[0], { source: grid.home, ...unasked });
    assert.equal(changed.length, 2);
    const unknown = await grid.run('flist', 'sources', 'remove', '/nowhere');
    assert.equal(unknown.status, 3);
    await grid.json('hub', 'rm', 'ada/base');
    await grid.json('flist', 'umount', target);
    const gone = await grid.run('flist', 'mount', 'base', target);
    assert.match(gone.stderr, /GRID_FLIST_UNKNOWN: .* nor at http/);
  } finally {
    await grid.run('flist', 'umount', target);
  }
  await grid.json('down', '--wipe', '--yes');
});

interface Bot {
  readonly name: string;
  readonly keys: readonly { readonly key: string; readonly ended: string | null }[];
}

interface Sources {
  readonly isRunning: boolean;
  readonly sources: readonly {
    readonly source: string;
    readonly isOwnHub: boolean;
    readonly lastFailure: string | null;
  }[];
}

async function metricsOf(): Promise<string> {
  const { services } = await grid.json<{
    readonly services: Record<string, { readonly addresses: Record<string, string> }>;
  }>('status');
  return services['hub']?.addresses['hub-metrics'] ?? '';
}
