import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { run, TestGrid } from './grid-process.ts';
import { Outpost } from './outpost.ts';

interface Up {
  readonly services: Record<string, { readonly address: string }>;
}

interface Standing {
  readonly phase: string;
  readonly store: { readonly isWhole: boolean; readonly shards: object | null } | null;
  readonly workloads: readonly { readonly role: string; readonly node: string }[];
}

interface Deployed {
  readonly contract: string;
  readonly credentials: Readonly<Record<string, string>>;
}

const deadline = { timeoutMs: 240_000, everyMs: 500 };
/** On a slow machine it takes more than the usual time. */
const longer = { timeout: 900_000 };
const port = 9000;

test('heads of S3 in a contract follow its namespaces, and are replaced', longer, async () => {
  await using grid = await TestGrid.open({ hasBots: true });
  const up = await grid.json<Up>('up', '--port-base', '0');
  await using stack = new AsyncDisposableStack();
  const outposts = new Map<string, Outpost>();
  for (let count = 0; count < 4; count++) {
    const outpost = stack.use(await Outpost.open(grid, up, { volumeSize: '2GiB' }));
    outposts.set(outpost.address, outpost);
  }
  const archive = new Archive(grid, [...outposts.keys()]);
  await archive.deploy();
  const content = randomBytes(3 * 2 ** 20);
  await archive.put('kept', content);

  const head = await archive.head();
  const lost = outposts.get(head);
  assert.ok(lost !== undefined);
  await lost.kill();
  lost.cut();
  await archive.until('another head', async () => !['', head].includes(await archive.activeHead()));
  assert.deepEqual(await archive.get('kept'), content);
  await archive.until('what was lost to be made again', async () => {
    const { phase, store } = await archive.standing();
    return phase === 'running' && store?.isWhole === true;
  });
  await archive.put('after', content);
  assert.deepEqual(await archive.get('after'), content);
});

/** The solution of that name: a contract with namespaces for a store, and heads of S3 in front of it. */
class Archive {
  readonly #grid: TestGrid;
  readonly #addresses: readonly string[];
  /** Access key and secret. */
  #user = '';
  #id = '';

  constructor(grid: TestGrid, addresses: readonly string[]) {
    this.#grid = grid;
    this.#addresses = addresses;
  }

  async deploy(): Promise<void> {
    const file = join(this.#grid.home, 'answers.json');
    await writeFile(file, JSON.stringify({ shards: '2+1', size: '64MiB', publish: port }));
    const { contract, credentials } = await this.#grid.json<Deployed>(
      ...['deploy', 'archive', '--answers', file, '--yes', '--bot', 'farmer'],
      ...['--wait', '--timeout', '600'],
    );
    this.#id = contract;
    const keys = await readFile(credentials['keys.env'] ?? '', 'utf8');
    const [, access = ''] = /ACCESS_KEY_ID=(\S+)/.exec(keys) ?? [];
    const [, secret = ''] = /SECRET_ACCESS_KEY=(\S+)/.exec(keys) ?? [];
    this.#user = `${access}:${secret}`;
    await this.curl(['--request', 'PUT'], '/archive');
  }

  async put(key: string, content: Buffer): Promise<void> {
    const path = join(this.#grid.home, 'content');
    await writeFile(path, content);
    await this.curl(['--upload-file', path], `/archive/${key}`);
  }

  async get(key: string): Promise<Buffer> {
    const path = join(this.#grid.home, 'answer');
    await this.curl(['--output', path], `/archive/${key}`);
    return readFile(path);
  }

  /** The address of the machine whose head answers; empty where none does. */
  async activeHead(): Promise<string> {
    const asked = this.#addresses.map(async (address) => {
      const { status } = await run('curl', ['--silent', '--max-time', '5', at(address, '/')]);
      return status === 0 ? address : '';
    });
    return (await Promise.all(asked)).find((address) => address !== '') ?? '';
  }

  /** The address of one that answers. */
  async head(): Promise<string> {
    let head = '';
    await this.until('a head', async () => (head = await this.activeHead()) !== '');
    return head;
  }

  async standing(): Promise<Standing> {
    const input = JSON.stringify({ contract: this.#id });
    const words = ['bot', 'call', 'farmer', 'contracts.status', input];
    return (await this.#grid.json<{ readonly answer: Standing }>(...words)).answer;
  }

  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    await waitFor(isSo, { ...deadline, what }).catch(async (cause: unknown) => {
      throw new Error(`${what}: ${JSON.stringify(await this.standing())}`, { cause });
    });
  }

  /** Asks whichever head serves, again and again, as clients of S3 do. */
  async curl(words: readonly string[], path: string): Promise<void> {
    const signing = ['--aws-sigv4', 'aws:amz:us-east-1:s3', '--user', this.#user];
    const unsigned = ['--header', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'];
    const command = ['--silent', '--show-error', '--fail', '--max-time', '60'];
    await this.until(path, async () => {
      const url = at(await this.head(), path);
      const { status } = await run('curl', [...command, ...signing, ...unsigned, ...words, url]);
      return status === 0;
    });
  }
}

function at(address: string, path: string): string {
  return `http://${address}:${port}${path}`;
}
