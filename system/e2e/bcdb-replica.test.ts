import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { root, run, TestGrid } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

interface Up {
  readonly services: Record<string, { readonly addresses: Record<string, string> }>;
}

interface Standing {
  readonly sequencer: string;
  readonly size: number;
  readonly sourceSize: number | null;
  readonly halted: object | null;
}

interface Verified {
  readonly verified: number;
}

const readerToken = 'R'.repeat(43);

/** A copy of a grid's database in a process of its own. */
class Copy implements AsyncDisposable {
  readonly url: string;
  readonly #end: () => Promise<void>;

  private constructor(url: string, end: () => Promise<void>) {
    this.url = url;
    this.#end = end;
  }

  static async start(folder: string, from: string, more: readonly string[]): Promise<Copy> {
    const { NODE_TEST_CONTEXT: _runner, ...env } = process.env;
    const words = ['bcdb', 'replica', folder, '--from', from, '--http', '127.0.0.1:0', '--json'];
    const child = spawn(join(root, 'grid'), [...words, ...more], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(child, 'exit');
    let text = '';
    for await (const line of createInterface(child.stdout)) {
      text += line;
      if (line === '}' || line.endsWith('}')) break;
    }
    const { http } = JSON.parse(text) as { readonly http: string };
    return new Copy(`http://${http}`, async () => {
      child.kill('SIGTERM');
      await ended;
    });
  }

  async standing(): Promise<Standing> {
    const answer = await fetch(`${this.url}/v1/replica`);
    return (await answer.json()) as Standing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end();
  }
}

test('grid bcdb replica keeps a copy that verifies, answers and sends writers to its sequencer', async () => {
  await using grid = await TestGrid.open();
  await grid.json('up', '--port-base', '0');
  const { services } = await grid.json<Up>('status');
  const from = `http://${services['bcdb']?.addresses['bcdb-http']}`;
  const genesis = join(grid.home, 'bcdb', 'genesis.json');
  const readerFile = join(grid.home, 'reader-token');
  await writeFile(readerFile, `${readerToken}\n`, { mode: 0o600 });
  const tokenFile = join(grid.home, 'identity', 'owner-token');
  const folder = join(grid.home, 'copy');
  const access = ['--token-file', tokenFile, '--reader-token-file', readerFile];
  const unknown = await grid.run('bcdb', 'replica', folder, '--from', from, ...access);
  assert.notEqual(unknown.status, 0);
  assert.match(unknown.stderr, /Nothing is believed on first use/);
  const ask = (copy: Copy, ...words: string[]): Promise<Ended> =>
    run(
      join(root, 'grid'),
      [
        ...['bcdb', ...words, '--address', copy.url, '--genesis', genesis],
        ...['--token-file', readerFile, '--json'],
      ],
      { env: { GRID_HOME: join(grid.home, 'others') } },
    );
  {
    await using copy = await Copy.start(folder, from, [...access, '--genesis', genesis]);
    await grid.json('bcdb', 'ns', 'create', 'town');
    await waitFor(async () => (await ask(copy, 'ns', 'list')).stdout.includes('"town"'), {
      what: 'the namespace in the copy',
      timeoutMs: 60_000,
      everyMs: 200,
    });
    const { sequencer, halted } = await copy.standing();
    assert.deepEqual([sequencer, halted], [from, null]);
    const refused = await ask(copy, 'ns', 'create', 'elsewhere');
    const { code, details } = JSON.parse(refused.stdout) as { code: string; details: object };
    assert.deepEqual([code, details], ['BCDB_READ_ONLY', { sequencer: from }]);
  }
  await grid.json('down');
  // The folder of a copy can be verified, made anew and exported as any other; it has no key to back up.
  const data = ['--data', folder];
  const { verified } = await grid.json<Verified>('bcdb', 'verify', ...data);
  const { records } = await grid.json<{ readonly records: number }>('bcdb', 'rebuild', ...data);
  assert.equal(records, verified);
  const file = join(grid.home, 'copy.jsonl');
  await grid.json('bcdb', 'export', file, ...data);
  assert.equal((await grid.json<Verified>('bcdb', 'verify', file)).verified, verified);
  const backup = await grid.run('bcdb', 'backup', join(grid.home, 'backup.jsonl'), ...data);
  assert.match(backup.stderr, /BCDB_FOLDER_DAMAGED/);
  // A copy knows its log, and answers without its source.
  await using again = await Copy.start(folder, from, access);
  assert.match((await ask(again, 'ns', 'list')).stdout, /"town"/);
});

test('grid bcdb replica adopts a handover only where it has records that were given up', async () => {
  await using grid = await TestGrid.open();
  const data = join(grid.home, 'bcdb');
  const folder = join(grid.home, 'copy');
  const access = [
    ...['--token-file', join(grid.home, 'identity', 'owner-token')],
    ...['--genesis', join(data, 'genesis.json'), '--adopt-handover'],
  ];
  const up = async (): Promise<string> => {
    await grid.json('up', '--port-base', '0');
    const { services } = await grid.json<Up>('status');
    return `http://${services['bcdb']?.addresses['bcdb-http']}`;
  };
  const givenUp = async (): Promise<readonly string[]> =>
    (await readdir(folder)).filter((name) => /lost-|given-up/.test(name));
  const sync = async (copy: Copy, size: number): Promise<void> => {
    const hasAll = async (): Promise<boolean> => {
      // It closes its doors while it adopts.
      const standing = await copy.standing().catch(() => undefined);
      return standing?.halted === null && standing.size >= size;
    };
    const waiting = { what: `${size} records in the copy`, timeoutMs: 60_000, everyMs: 200 };
    await waitFor(hasAll, waiting);
  };
  const size = async (): Promise<number> =>
    (await grid.json<{ readonly size: number }>('bcdb', 'checkpoint')).size;
  {
    await using copy = await Copy.start(folder, await up(), access);
    await sync(copy, await size());
  }
  await grid.json('bcdb', 'ns', 'create', 'behind');
  await grid.json('down');
  await grid.json('bcdb', 'handover', '--data', data);
  const backup = join(grid.home, 'backup.jsonl');
  {
    const from = await up();
    await using copy = await Copy.start(folder, from, access);
    await sync(copy, await size());
    assert.deepEqual(await givenUp(), []);
    await grid.json('bcdb', 'backup', backup);
    await grid.json('bcdb', 'ns', 'create', 'lost');
    await sync(copy, await size());
  }
  await grid.json('down');
  await rename(data, join(grid.home, 'bcdb-old'));
  await grid.json('bcdb', 'restore', backup, '--data', `${data}-new`);
  await grid.json('bcdb', 'handover', '--data', `${data}-new`);
  await rename(`${data}-new`, data);
  const from = await up();
  assert.match((await grid.run('bcdb', 'checkpoint')).stderr, /BCDB_HANDED_OVER/);
  await using copy = await Copy.start(folder, from, access);
  await sync(copy, await size());
  const names = await givenUp();
  assert.deepEqual(names.map((name) => name.replace(/\d+/, 'N')).toSorted(), [
    'log.given-up-N',
    'lost-N.jsonl',
  ]);
});
