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

const deadline = { timeoutMs: 240_000, everyMs: 500 };
const port = 9000;

test('an archive runs in its contract: heads follow its namespaces, and are replaced like them', async () => {
  await using grid = await TestGrid.open({ hasBots: true });
  const up = await grid.json<Up>('up', '--port-base', '0');
  await using stack = new AsyncDisposableStack();
  const outposts = new Map<string, Outpost>();
  for (let count = 0; count < 4; count++) {
    const outpost = stack.use(await Outpost.open(grid, up, { volumeSize: '2GiB' }));
    outposts.set(outpost.address, outpost);
  }
  const { digest } = await grid.json<{ readonly digest: string }>('flist', 'create', '--system');
  await grid.json('hub', 'upload', digest, 'owner/grid');
  const archive = new Archive(grid, [...outposts.keys()]);
  await archive.deploy();
  const content = randomBytes(3 * 2 ** 20);
  await archive.put('kept', content);

  const head = await archive.activeHead();
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

/** A contract with namespaces for a store, and heads of S3 in front of it. */
class Archive {
  readonly #grid: TestGrid;
  readonly #addresses: readonly string[];
  readonly #first = `archive-admin:${randomBytes(20).toString('hex')}`;
  #id = '';

  constructor(grid: TestGrid, addresses: readonly string[]) {
    this.#grid = grid;
    this.#addresses = addresses;
  }

  async deploy(): Promise<void> {
    const apart = { distinctNodes: true };
    const zdb = { size: '160MiB', password: 'namespaces' };
    const file = (name: string, secret: string): object => ({
      ...{ path: `/run/grid/${name}`, mode: 0o400, secret },
    });
    const words = [
      ...['s3', 'serve', '--contract', '--password-file', '/run/grid/password'],
      ...['--key', '/run/grid/key', '--first-key-file', '/run/grid/first'],
      ...['--data', '/var/lib/grid/s3', '--listen', `0.0.0.0:${port}`, '--policy', '2+1'],
    ];
    const definition = {
      name: 'archive',
      secrets: {
        namespaces: randomBytes(16).toString('hex'),
        key: randomBytes(32).toString('base64url'),
        first: this.#first,
      },
      heal: { suspectAfterMs: 3_000, replaceAfterMs: 10_000, maxPerHour: 100 },
      roles: [
        { name: 'shards', shards: '2+1', data: 'dispersed', zdb, spread: apart },
        { name: 'log', replicas: 3, data: 'dispersed', zdb, spread: apart },
        { name: 'keys', replicas: 3, data: 'dispersed', zdb, spread: apart },
        {
          ...{ name: 'heads', replicas: 2, cpu: 0.5, memory: '512MiB', spread: apart },
          container: {
            ...{ image: 'owner/grid', args: words, rootBytes: '64MiB' },
            files: [file('password', 'namespaces'), file('key', 'key'), file('first', 'first')],
            ports: [{ name: 's3', port, protocol: 'tcp', publish: port }],
          },
        },
      ],
    };
    const path = join(this.#grid.home, 'archive.json');
    await writeFile(path, JSON.stringify(definition));
    const draft = join(this.#grid.home, 'archive.draft.json');
    const byFarmer = ['--bot', 'farmer'];
    await this.#grid.json('contract', 'build', path, ...byFarmer, '--output', draft);
    await this.#grid.json('contract', 'propose', draft, ...byFarmer);
    await this.#grid.json('contract', 'sign', draft, ...byFarmer, '--yes');
    this.#id = (JSON.parse(await readFile(draft, 'utf8')) as { readonly id: string }).id;
    await this.until('a head', async () => (await this.activeHead()) !== '');
    await this.curl(await this.activeHead(), ['--request', 'PUT'], '/archive');
  }

  async put(key: string, content: Buffer): Promise<void> {
    const path = join(this.#grid.home, 'content');
    await writeFile(path, content);
    await this.curl(await this.activeHead(), ['--upload-file', path], `/archive/${key}`);
  }

  async get(key: string): Promise<Buffer> {
    const words = ['--output', '-'];
    const encoded = await this.curl(await this.activeHead(), words, `/archive/${key}`, 'base64');
    return Buffer.from(encoded, 'base64');
  }

  /** The address of the machine whose head answers; empty where none does. */
  async activeHead(): Promise<string> {
    const asked = this.#addresses.map(async (address) => {
      const { status } = await run('curl', ['--silent', '--max-time', '5', at(address, '/')]);
      return status === 0 ? address : '';
    });
    return (await Promise.all(asked)).find((address) => address !== '') ?? '';
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

  async curl(
    address: string,
    words: readonly string[],
    path: string,
    encoding?: 'base64',
  ): Promise<string> {
    const command = ['curl', '--silent', '--show-error', '--fail-with-body', '--max-time', '120'];
    // As every client of S3 does.
    const retries = ['--retry', '60', '--retry-delay', '1'];
    const signing = ['--aws-sigv4', 'aws:amz:us-east-1:s3', '--user', this.#first];
    const unsigned = ['--header', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'];
    const line = [...command, ...retries, ...signing, ...unsigned, ...words, at(address, path)];
    const quoted = line.map((word) => `'${word}'`).join(' ');
    const piped = encoding === undefined ? quoted : `set -o pipefail; ${quoted} | base64 -w0`;
    const { status, stdout, stderr } = await run('bash', ['-c', piped]);
    assert.equal(status, 0, `${path}: ${stdout}${stderr}`);
    return stdout;
  }
}

function at(address: string, path: string): string {
  return `http://${address}:${port}${path}`;
}
