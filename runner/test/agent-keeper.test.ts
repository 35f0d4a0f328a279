import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { delay, FolderLock, isAlive, identityOf, silentLogger, waitFor } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { readChoice, releaseName, writeChoice } from '@commongrid/node/release';
import type { KeptRelease, ReleaseChoice } from '@commongrid/node/release';

import { keepAgent } from '../src/node/agent-keeper.ts';

const deadline = { timeoutMs: 60_000, everyMs: 20 };
const schema = 'grid.node.release.1';

/** A node's folder whose agents are lines of shell; `$0` is the folder. */
class Place implements AsyncDisposable {
  readonly path: string;
  readonly #folder: AsyncDisposable;
  readonly #stop = new AbortController();

  private constructor(folder: AsyncDisposable & { readonly path: string }) {
    this.#folder = folder;
    this.path = folder.path;
  }

  static async open(): Promise<Place> {
    return new Place(await tempFolder('keeper'));
  }

  /** A release that notes its start, and then does what the line says. */
  async release(version: string, line: string): Promise<KeptRelease> {
    const release = { version, digest: version.replaceAll('.', '').padEnd(64, '0') };
    const program = join('releases', releaseName(release), 'root', 'grid');
    await mkdir(join(this.path, program, '..'), { recursive: true });
    const note = `echo "${version} $*" >> ${this.path}/starts`;
    await writeFile(join(this.path, program), `#!/bin/sh\ncd ${this.path}\n${note}\n${line}\n`);
    await chmod(join(this.path, program), 0o755);
    return { ...release, command: [program] };
  }

  choose(choice: Omit<ReleaseChoice, 'schema'>): Promise<void> {
    return writeChoice(this.path, { schema, ...choice });
  }

  keep(words: readonly string[] = []): Promise<number> {
    const { path: folder } = this;
    const installed = ['/bin/sh', '-c', `echo "installed $*" >> ${folder}/starts; exit 7`, 'sh'];
    return keepAgent({
      ...{ folder, installed, words, signal: this.#stop.signal, logger: silentLogger },
    });
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Versions of agents that were started, in their order. */
  async starts(): Promise<readonly string[]> {
    const text = await readFile(join(this.path, 'starts'), 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => (line === '' ? [] : (line.split(' ')[0] ?? '')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** A line that says what the choice is from now on. */
function saying(choice: Omit<ReleaseChoice, 'schema'>): string {
  const text = JSON.stringify({ schema, ...choice });
  return `printf '%s' '${text}' > said; mv said release.json`;
}

test('keeper runs what is installed where nothing was chosen, and ends as that ends', async () => {
  await using place = await Place.open();
  assert.equal(await place.keep(['--prefix', 'cg']), 7);
  const [line = ''] = (await readFile(join(place.path, 'starts'), 'utf8')).split('\n');
  assert.match(line, /^installed node agent --keeper=\d+ --prefix cg$/);
});

test('keeper runs the good release, and after one that is gone what is there', async () => {
  await using place = await Place.open();
  const good = await place.release('0.2.0', 'exit 3');
  await place.choose({ good });
  assert.equal(await place.keep(), 3);
  const gone = { ...good, version: '0.3.0', command: ['releases/none/root/grid'] };
  await place.choose({ good: gone, former: good });
  assert.equal(await place.keep(), 3);
  await place.choose({ good: gone });
  assert.equal(await place.keep(), 7);
  assert.deepEqual(await place.starts(), ['0.2.0', '0.2.0', 'installed']);
});

test('keeper takes a file that is damaged, or of another format, for none', async () => {
  await using place = await Place.open();
  for (const text of ['{', '{"schema":"grid.node.release.9"}']) {
    await writeFile(join(place.path, 'release.json'), text);
    assert.equal(await place.keep(), 7);
  }
});

test('keeper starts what an agent made way for, and ends with it once it is good', async () => {
  await using place = await Place.open();
  const trial = await place.release('0.3.0', '');
  await place.release('0.3.0', `${saying({ good: trial })}; exit 5`);
  const waiting = { ...trial, limitMs: 60_000, starts: 0 };
  const good = await place.release('0.2.0', '');
  await place.release('0.2.0', saying({ good, trial: waiting }));
  await place.choose({ good });
  assert.equal(await place.keep(), 5);
  assert.deepEqual(await place.starts(), ['0.2.0', '0.3.0']);
});

for (const [how, line, message] of [
  ['ends at once', 'exit 1', 'it ended with 1'],
  ['ends after a while', 'sleep 1; kill -SEGV $$', 'it was ended by SIGSEGV'],
  ['hangs, and does not hear signals', 'trap "" TERM; while :; do sleep 1; done', undefined],
  ['ends well without a word', 'exit 0', 'it ended with 0'],
] as const) {
  test(`keeper goes back from a trial that ${how}`, async () => {
    await using place = await Place.open();
    const good = await place.release('0.2.0', 'exit 3');
    const trial = await place.release('0.3.0', line);
    // What ends by itself has all the time for it.
    const limitMs = message === undefined ? 2_000 : 600_000;
    await place.choose({ good, trial: { ...trial, limitMs, starts: 0 } });
    assert.equal(await place.keep(), 3);
    assert.deepEqual(await place.starts(), ['0.3.0', '0.2.0']);
    const { failed, trial: left } = await readChoice(place.path);
    assert.equal(left, undefined);
    assert.equal(failed?.version, '0.3.0');
    assert.equal(failed?.message, message ?? 'it did not show in time that it works');
  });
}

test('a trial that keepers never saw the end of failed after three of them', async () => {
  await using place = await Place.open();
  const good = await place.release('0.2.0', 'exit 3');
  const trial = await place.release('0.3.0', 'exec sleep 1000');
  await place.choose({ good, trial: { ...trial, limitMs: 600_000, starts: 3 } });
  assert.equal(await place.keep(), 3);
  assert.deepEqual(await place.starts(), ['0.2.0']);
  assert.equal((await readChoice(place.path)).failed?.message, 'it was broken off 3 times');
});

test('a stop ends the trial, and the next keeper goes on with it', async () => {
  await using place = await Place.open();
  const good = await place.release('0.2.0', 'exit 3');
  const trial = await place.release('0.3.0', 'exec sleep 1000');
  await place.choose({ good, trial: { ...trial, limitMs: 600_000, starts: 0 } });
  const kept = place.keep();
  await waitFor(async () => (await place.starts()).length === 1, { ...deadline, what: 'a start' });
  await assert.rejects(place.keep(), hasCode('BASE_FOLDER_LOCKED'));
  place.stop();
  await kept;
  const { trial: left, failed } = await readChoice(place.path);
  assert.deepEqual([left?.starts, failed], [1, undefined]);
});

test('an agent goes on only while its keeper lives', async () => {
  await using place = await Place.open();
  const good = await place.release(
    '0.2.0',
    'echo $$ > pid; trap "" TERM; while :; do sleep 1; done',
  );
  await place.choose({ good });
  const program = join(import.meta.dirname, 'fixtures', 'keeper-program.ts');
  const keeper = spawn(process.execPath, [program, place.path], { stdio: 'inherit' });
  const pidOf = async () => Number(await readFile(join(place.path, 'pid'), 'utf8').catch(() => 0));
  await waitFor(async () => (await pidOf()) > 0, { ...deadline, what: 'the agent' });
  const agent = await identityOf(await pidOf());
  assert.ok(agent !== undefined);
  keeper.kill('SIGKILL');
  await waitFor(async () => !(await isAlive(agent)), { ...deadline, what: 'its end' });
});

test('a keeper waits for the folder while the agent before ends', async () => {
  await using place = await Place.open();
  const lock = await FolderLock.open(place.path);
  const kept = place.keep();
  // One that does not wait starts its agent long before.
  await delay(1_000);
  assert.deepEqual(await place.starts(), []);
  await lock.close();
  assert.equal(await kept, 7);
});
