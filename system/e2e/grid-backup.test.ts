import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { errorCode, waitFor } from '@commongrid/base';
import { generateWords } from '@commongrid/crypto';

import { ip } from '../machines/ip.ts';
import { root, run, tempFolder } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

/** On a slow machine it takes more than the usual time. */
const longer = { timeout: 900_000 };
const deadline = { timeoutMs: 60_000, everyMs: 50 };

interface Up {
  readonly identity: { readonly key: string };
  readonly bots: { readonly ids: Record<string, string> };
}

interface Made {
  readonly name: string;
  readonly records: number;
  readonly removed: { readonly backups: number };
}

interface Restored {
  readonly records: number;
  readonly sequencer: string;
}

interface Failure {
  readonly code: string;
}

/** A machine of its own: a network in which nobody else is, so that a grid has its usual ports. */
class Machine implements AsyncDisposable {
  readonly home: string;
  readonly #net = `backup-${randomBytes(4).toString('hex')}`;

  constructor(home: string) {
    this.home = home;
    ip('netns', 'add', this.#net);
    ip('-n', this.#net, 'link', 'set', 'lo', 'up');
  }

  run(words: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const program = [`--net=/run/netns/${this.#net}`, ...words];
    return run('nsenter', program, { env: { GRID_HOME: this.home, ...variables } });
  }

  async json<T>(...words: string[]): Promise<T> {
    return this.jsonWith<T>({}, ...words);
  }

  async jsonWith<T>(variables: Readonly<Record<string, string>>, ...words: string[]): Promise<T> {
    const ended = await this.run([join(root, 'grid'), ...words, '--json'], variables);
    assert.equal(ended.status, 0, `grid ${words.join(' ')}: ${ended.stdout}${ended.stderr}`);
    return JSON.parse(ended.stdout) as T;
  }

  /** The code with which a command is refused. */
  async code(...words: string[]): Promise<string> {
    const { status, stdout } = await this.run([join(root, 'grid'), ...words, '--json']);
    assert.notEqual(status, 0, `grid ${words.join(' ')} is refused`);
    return (JSON.parse(stdout) as Failure).code;
  }

  /** A key to its S3, as variables that programs of AWS read. */
  async s3(): Promise<Record<string, string>> {
    const key = await this.json<Record<string, string>>('s3', 'keys');
    return {
      AWS_ENDPOINT_URL: key['endpoint'] ?? '',
      AWS_ACCESS_KEY_ID: key['accessKey'] ?? '',
      AWS_SECRET_ACCESS_KEY: key['secretKey'] ?? '',
    };
  }

  /** Asks S3; resolves to what is answered. */
  async curl(s3: Record<string, string>, path: string, ...words: string[]): Promise<Ended> {
    const user = `${s3['AWS_ACCESS_KEY_ID']}:${s3['AWS_SECRET_ACCESS_KEY']}`;
    return this.run([
      ...['curl', '--silent', '--show-error', '--fail', '--max-time', '60'],
      ...['--aws-sigv4', 'aws:amz:us-east-1:s3', '--user', user],
      ...['--header', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'],
      ...words,
      `${s3['AWS_ENDPOINT_URL']}${path}`,
    ]);
  }

  /** All of its processes end at once, as with its power. */
  async kill(): Promise<void> {
    const isOver = async (): Promise<boolean> => {
      const { stdout } = await run('ip', ['netns', 'pids', this.#net]);
      const pids = stdout.split('\n').filter((line) => line !== '');
      for (const pid of pids) killIfThere(Number(pid));
      return pids.length === 0;
    };
    await waitFor(isOver, { ...deadline, what: 'the end of all processes' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    ip('netns', 'delete', this.#net);
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

test('a grid that was backed up while it ran is restored on another machine', longer, async () => {
  await using folder = await tempFolder();
  const at = (...names: string[]): string => join(folder.path, ...names);
  const [place, wordsFile, passphraseFile] = [at('place'), at('words'), at('passphrase')];
  await writeFile(passphraseFile, 'a fine day in May\n');
  const content = randomBytes(5 * 2 ** 20);
  await writeFile(at('content'), content);
  await using first = new Machine(at('first'));
  const up = await first.json<Up>('up', '--no-node');
  await cp(join(first.home, 'identity', 'recovery-words'), wordsFile);
  const s3 = await first.s3();
  assert.equal((await first.curl(s3, '/films', '--request', 'PUT')).status, 0);
  const put = await first.curl(s3, '/films/film', '--upload-file', at('content'));
  assert.equal(put.status, 0, put.stderr);
  await first.json('bcdb', 'ns', 'create', 'club');
  await first.json('wallet', 'send', 'buyer', '12', 'GRD');
  const definition = join(root, 'examples', 'web.json');
  const byBuyer = ['--bot', 'buyer'];
  await first.json('contract', 'build', definition, ...byBuyer, '--output', at('draft.json'));
  await first.json('contract', 'propose', at('draft.json'), ...byBuyer);
  const before = await standing(first);

  const { made, acknowledged } = await backupWhileWritten(first, s3, place);
  const again = await first.json<Made>('backup', place, '--passphrase-file', passphraseFile);
  await first.json('bcdb', 'ns', 'create', 'lost');
  assert.equal((await first.curl(s3, '/backups', '--request', 'PUT')).status, 0);
  const inS3 = await first.jsonWith<Made>(s3, 'backup', 's3://backups/of/first');
  await first.jsonWith(
    s3,
    'backup',
    's3://backups/of/first',
    '--verify',
    '--words-file',
    wordsFile,
  );
  const fromS3 = await first.jsonWith<Restored>(
    { ...s3, GRID_HOME: at('from-s3') },
    ...['restore', 's3://backups/of/first', '--words-file', wordsFile],
  );
  assert.equal(fromS3.records, inS3.records + 1);
  assert.deepEqual(await keysOf(at('from-s3')), await keysOf(first.home));
  await first.kill();

  await using second = new Machine(at('second'));
  await refusals(second, at, [place, wordsFile]);
  // What is left where a backup was broken off: chunks, and no manifest.
  await cp(place, at('half'), { recursive: true });
  await rm(at('half', 'backups', `${again.name}.manifest`));
  const older = await second.json<Made>(
    'restore',
    at('half'),
    '--dry-run',
    '--words-file',
    wordsFile,
  );
  assert.equal(older.name, made.name);
  await rename(at('half', 'backups'), at('half', 'none'));
  assert.equal(
    await second.code('restore', at('half'), '--words-file', wordsFile),
    'GRID_BACKUP_MISSING',
  );

  const restored = await second.json<Restored>(
    'restore',
    place,
    ...['--passphrase-file', passphraseFile, '--backup', made.name],
  );
  assert.equal(restored.records, made.records + 1);
  assert.equal(
    await second.code('restore', place, '--words-file', wordsFile),
    'GRID_RESTORE_OCCUPIED',
  );
  const upAgain = await second.json<Up>('up', '--no-node');
  assert.equal(upAgain.identity.key, up.identity.key);
  assert.deepEqual(upAgain.bots.ids, up.bots.ids);
  assert.deepEqual(await standing(second), before);
  const words = ['bot', 'call', 'buyer', 'bot.call'];
  const about = { bot: up.bots.ids['farmer'], method: 'bot.about', input: {} };
  await second.json(...words, JSON.stringify(about));
  await wholeObjects(second, s3, content, acknowledged);
  await second.json('bcdb', 'export', at('log'));
  const verified = await second.json<{ readonly sequencer: string }>('bcdb', 'verify', at('log'));
  assert.equal(verified.sequencer, restored.sequencer);
  // It goes on: with new records, new objects, and the next backup to the same place.
  const more = await second.curl(s3, '/films/more', '--upload-file', at('content'));
  assert.equal(more.status, 0, more.stderr);
  await second.json('wallet', 'send', 'buyer', '1', 'GRD');
  const { name, removed } = await second.json<Made>('backup', place, '--keep', '1');
  assert.equal(removed.backups, 2);
  assert.equal((await second.json<Made>('backup', place, '--verify')).name, name);
});

/** What only a whole restore brings back: the key of objects, and that of the owner. */
async function keysOf(home: string): Promise<readonly string[]> {
  const paths = ['s3-key', 'owner-key'].map((name) => join(home, 'identity', name));
  return Promise.all(paths.map((path) => readFile(path, 'utf8')));
}

/** What is known of the grid, whatever machine it is on. */
async function standing(machine: Machine): Promise<object> {
  const { balances } = await machine.json<{ readonly balances: object }>(
    ...['wallet', 'balance', '--bot', 'buyer'],
  );
  const { contracts } = await machine.json<{ readonly contracts: readonly { contract: string }[] }>(
    ...['contract', 'list', '--bot', 'buyer'],
  );
  const { namespaces } = await machine.json<{ readonly namespaces: readonly string[] }>(
    ...['bcdb', 'ns', 'list'],
  );
  return {
    balances,
    contracts: contracts.map(({ contract }) => contract),
    namespaces,
    images: (await machine.run([join(root, 'grid'), 'hub', 'ls', 'owner/base'])).stdout,
  };
}

/**
 * Makes a backup while objects come all the time.
 * @returns with `acknowledged`, how many were there for certain before it began
 */
async function backupWhileWritten(
  machine: Machine,
  s3: Record<string, string>,
  place: string,
): Promise<{ readonly made: Made; readonly acknowledged: number }> {
  let [isOver, written] = [false, 0];
  const file = join(place, '..', 'small');
  await writeFile(file, 'as it was written');
  const writing = (async () => {
    for (; !isOver; written += 1) {
      const path = `/films/small-${written}`;
      const { status, stderr } = await machine.curl(s3, path, '--upload-file', file);
      assert.equal(status, 0, stderr);
    }
  })();
  try {
    // One that fails is told by the loop.
    await Promise.race([waitFor(() => written >= 3, { ...deadline, what: 'objects' }), writing]);
    const acknowledged = written;
    return { made: await machine.json<Made>('backup', place), acknowledged };
  } finally {
    isOver = true;
    await writing;
  }
}

/** Every object that was acknowledged is listed, and each that is listed can be read, and is what was written. */
async function wholeObjects(
  machine: Machine,
  s3: Record<string, string>,
  content: Buffer,
  acknowledged: number,
): Promise<void> {
  const got = join(machine.home, '..', 'got');
  const film = await machine.curl(s3, '/films/film', '--output', got);
  assert.equal(film.status, 0, film.stderr);
  assert.ok((await readFile(got)).equals(content), 'the film is what it was');
  const { stdout } = await machine.curl(s3, '/films?list-type=2');
  const keys = [...stdout.matchAll(/<Key>(small-\d+)<\/Key>/g)].map(([, key = '']) => key);
  for (let n = 0; n < acknowledged; n += 1) assert.ok(keys.includes(`small-${n}`), stdout);
  for (const key of keys) {
    const small = await machine.curl(s3, `/films/${key}`);
    assert.equal(small.stdout, 'as it was written', `${key}: ${small.stderr}`);
  }
}

/** Nothing is restored out of what is not right, nor by somebody else. */
async function refusals(
  machine: Machine,
  at: (...names: string[]) => string,
  [place, wordsFile]: readonly [string, string],
): Promise<void> {
  await writeFile(at('others'), generateWords());
  assert.equal(
    await machine.code('restore', place, '--words-file', at('others')),
    'GRID_BACKUP_LOCKED',
  );
  await writeFile(at('guess'), 'a fine day in June');
  assert.equal(
    await machine.code('restore', place, '--passphrase-file', at('guess')),
    'GRID_BACKUP_LOCKED',
  );
  // All chunks: nobody sees from outside which of them the newest backup needs.
  await cp(place, at('damaged'), { recursive: true });
  const chunks = await readdir(at('damaged', 'chunks'), { recursive: true, withFileTypes: true });
  for (const { parentPath, name } of chunks.filter((entry) => entry.isFile())) {
    const bytes = await readFile(join(parentPath, name));
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
    await writeFile(join(parentPath, name), bytes);
  }
  assert.equal(
    await machine.code('restore', at('damaged'), '--words-file', wordsFile),
    'GRID_BACKUP_DAMAGED',
  );
  assert.equal(existsSync(machine.home), false);
  await mkdir(machine.home);
  await writeFile(join(machine.home, 'mine'), '');
  assert.equal(
    await machine.code('restore', place, '--words-file', wordsFile),
    'GRID_RESTORE_OCCUPIED',
  );
  await rm(join(machine.home, 'mine'));
}
