import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { LogRing } from '../src/logs/log-ring.ts';
import type { LogRingOptions } from '../src/logs/log-ring.ts';
import { PrintingContainer } from './support/printing-container.ts';

const stamp = '2026-11-21T22:26:27.123456789+00:00';

function records(first: number, count: number): string {
  const numbers = Array.from({ length: count }, (_, i) => first + i);
  return numbers.map((n) => `${stamp} stdout F line ${n}\n`).join('');
}

function lineNumbers(lines: readonly { readonly text: string }[]): number[] {
  return lines.map(({ text }) => Number(text.slice('line '.length)));
}

/** A log that the test itself writes. */
class WrittenLog implements AsyncDisposable {
  readonly path: string;
  ring: LogRing;
  readonly #options: LogRingOptions;
  readonly #folder: AsyncDisposable;

  constructor(options: LogRingOptions, ring: LogRing, folder: AsyncDisposable) {
    this.#options = options;
    this.ring = ring;
    this.path = ring.path;
    this.#folder = folder;
  }

  static async open(totalBytes?: number): Promise<WrittenLog> {
    const temp = await tempFolder('log');
    const folder = join(temp.path, 'log');
    const reopen = async (): Promise<boolean> => {
      await writeFile(join(folder, 'log.tmp'), '');
      await rename(join(folder, 'log.tmp'), join(folder, 'log'));
      return true;
    };
    const options = { folder, reopen, ...(totalBytes === undefined ? {} : { totalBytes }) };
    return new WrittenLog(options, await LogRing.open(options), temp);
  }

  write(text: string): Promise<void> {
    return appendFile(this.path, text);
  }

  /** As the next agent does. */
  async openAgain(): Promise<void> {
    this.ring[Symbol.dispose]();
    this.ring = await LogRing.open(this.#options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ring[Symbol.dispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

test('log ring gives the last lines across its files', async () => {
  await using log = await WrittenLog.open(4_000);
  assert.deepEqual(await log.ring.tail(5), []);
  for (let first = 0; first < 60; first += 20) {
    await log.write(records(first, 20));
    await log.ring.rotate();
  }
  assert.deepEqual(lineNumbers(await log.ring.tail(3)), [57, 58, 59]);
  const all = lineNumbers(await log.ring.tail(50));
  assert.deepEqual(all.at(-1), 59);
  assert.deepEqual(
    all,
    Array.from({ length: all.length }, (_, i) => 60 - all.length + i),
  );
});

test('log ring keeps to its size and never loses the newest file', async () => {
  await using log = await WrittenLog.open(4_000);
  for (let first = 0; first < 400; first += 10) {
    await log.write(records(first, 10));
    await log.ring.rotate();
    const names = await readdir(join(log.path, '..'));
    const numbered = names.filter((name) => /^log\.\d+$/.test(name));
    const sizes = await Promise.all(
      numbered.map(async (name) => (await stat(join(log.path, '..', name))).size),
    );
    assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= 4_000);
  }
  await log.openAgain();
  assert.deepEqual(lineNumbers(await log.ring.tail(1)), [399]);
});

test('log ring follows across files and a new agent goes on without a gap', async () => {
  await using log = await WrittenLog.open(8_000);
  await log.write(records(0, 5));
  const stop = new AbortController();
  const seen: number[] = [];
  const following = (async () => {
    for await (const line of log.ring.follow({ signal: stop.signal, tail: 2 })) {
      seen.push(...lineNumbers([line]));
    }
  })();
  await waitFor(() => seen.length === 2, { timeoutMs: 60_000, what: 'the last lines' });
  for (let first = 5; first < 65; first += 20) {
    await log.write(records(first, 20));
    await log.ring.rotate();
    await waitFor(() => seen.at(-1) === first + 19, { timeoutMs: 60_000, what: 'the lines' });
  }
  stop.abort();
  await following;
  assert.deepEqual(
    seen,
    Array.from({ length: 62 }, (_, i) => i + 3),
  );
  await log.openAgain();
  await log.write(records(65, 1));
  assert.deepEqual(lineNumbers(await log.ring.tail(2)), [64, 65]);
});

test('log ring counts the lines that go before they are read', async () => {
  await using log = await WrittenLog.open(4_000);
  const stop = new AbortController();
  await log.write(records(0, 1));
  const batches = log.ring.batches({ file: 0, offset: 0 }, stop.signal);
  const first = await batches.next();
  assert.deepEqual(lineNumbers(first.value?.lines ?? []), [0]);
  for (let n = 1; n < 201; n += 20) {
    await log.write(records(n, 20));
    await log.ring.rotate();
  }
  let missed = 0;
  const got: number[] = [];
  while (got.at(-1) !== 200) {
    const { value } = await batches.next();
    for (const line of value?.lines ?? []) {
      if (line.stream === 'node') missed += Number(/\d+$/.exec(line.text)?.[0]);
      else got.push(...lineNumbers([line]));
    }
  }
  stop.abort();
  await batches.return();
  assert.ok(missed > 0);
  assert.equal(missed + got.length, 200);
});

test('log ring gives a torn record at the end of a file and waits for one that grows', async () => {
  await using log = await WrittenLog.open(4_000);
  await log.write(`${stamp} stdout F wh`);
  assert.deepEqual(await log.ring.tail(5), []);
  await log.write('ole\n');
  assert.deepEqual(
    (await log.ring.tail(5)).map(({ text }) => text),
    ['whole'],
  );
  await log.write('x'.repeat(1_000));
  await log.ring.rotate();
  await log.write(records(1, 1));
  const texts = (await log.ring.tail(5)).map(({ text }) => text);
  assert.deepEqual(texts, ['whole', 'x'.repeat(1_000), 'line 1']);
});

test('log ring gives what was printed since a time', async () => {
  await using log = await WrittenLog.open(4_000);
  const at = (second: number): string =>
    `2026-11-21T22:00:${String(second).padStart(2, '0')}.000000000+00:00 stdout F line ${second}\n`;
  for (let second = 0; second < 40; second++) {
    await log.write(at(second));
    await log.ring.rotate();
  }
  const since = await Array.fromAsync(log.ring.since(Date.parse('2026-11-21T22:00:30Z')));
  assert.deepEqual(
    lineNumbers(since),
    Array.from({ length: 10 }, (_, i) => i + 30),
  );
});

test('log ring whose files were taken away begins anew', async () => {
  await using log = await WrittenLog.open();
  await log.write(records(0, 3));
  const stop = new AbortController();
  const batches = log.ring.batches({ file: 9, offset: 99 }, stop.signal);
  const { value } = await batches.next();
  assert.equal(value?.lines[0]?.stream, 'node');
  const more = await batches.next();
  assert.deepEqual(lineNumbers(more.value?.lines ?? []), [0, 1, 2]);
  stop.abort();
  await batches.return();
});

test('log ring may be read by several at once', async () => {
  await using log = await WrittenLog.open(4_000);
  await log.write(records(0, 5));
  const folder = join(log.path, '..');
  const reopen = async (): Promise<boolean> => false;
  using other = await LogRing.open({ folder, reopen, totalBytes: 4_000 });
  for (let first = 5; first < 205; first += 20) {
    await log.write(records(first, 20));
    await log.ring.rotate();
    if (first % 40 === 5) assert.deepEqual(lineNumbers(await other.tail(1)), [first + 19]);
  }
  const kept = lineNumbers(await Array.fromAsync(other.since(0)));
  assert.deepEqual(kept, lineNumbers(await log.ring.tail(kept.length)));
});

test('log ring of a file that nobody writes leaves it as it is', async () => {
  await using temp = await tempFolder('log');
  const folder = join(temp.path, 'log');
  await mkdir(folder);
  await writeFile(join(folder, 'log'), records(0, 100));
  using ring = await LogRing.open({ folder, totalBytes: 4_000, reopen: async () => false });
  await ring.rotate();
  assert.deepEqual(lineNumbers(await ring.tail(1)), [99]);
});

test('log ring keeps each line that conmon writes, over new files and agents', async () => {
  await using temp = await tempFolder('log');
  const folder = join(temp.path, 'log');
  const bundle = join(temp.path, 'bundle');
  await mkdir(folder);
  await mkdir(bundle);
  const [bursts, burstLines] = [8, 5_000];
  const lines = bursts * burstLines;
  // Each burst is above what a file has, and waits until the one before was seen.
  const burst = `n=0; while [ $n -lt ${burstLines} ]; do echo "line $i"; i=$((i+1)); n=$((n+1)); done`;
  const go = join(temp.path, 'go');
  const wait = `until [ -e ${go}.$i ]; do sleep 0.02; done`;
  const script = `i=0; while [ $i -lt ${lines} ]; do ${burst}; ${wait}; done; sleep 60`;
  const path = join(folder, 'log');
  await using container = await PrintingContainer.start(bundle, path, 'sh', ['-c', script]);
  const options = { folder, totalBytes: 16 * 2 ** 20, reopen: () => container.reopen() };
  const shows = async (line: number): Promise<boolean> => {
    // Each look is an agent of its own that finds what the last one left, and is small enough for
    // several files.
    using looker = await LogRing.open({ ...options, totalBytes: 2 ** 21 });
    await looker.rotate();
    return (await looker.tail(1))[0]?.text === `line ${line}`;
  };
  for (let end = burstLines; end <= lines; end += burstLines) {
    const wanted = { timeoutMs: 60_000, everyMs: 20, what: `line ${end - 1}` };
    await waitFor(() => shows(end - 1), wanted);
    await writeFile(`${go}.${end}`, '');
  }
  using ring = await LogRing.open(options);
  // Of the first line, the beginning may have gone with the file before.
  const kept = lineNumbers((await Array.fromAsync(ring.since(0))).slice(1));
  const names = await readdir(folder);
  assert.ok(names.filter((name) => /^log\.\d+$/.test(name)).length >= 2, names.join(' '));
  const [first = 0] = kept;
  assert.deepEqual(
    kept,
    Array.from({ length: lines - first }, (_, i) => first + i),
  );
  await rm(folder, { recursive: true });
});

test('log ring has no gap after agents that were killed while they began new files', async () => {
  await using temp = await tempFolder('log');
  const [folder, bundle] = [join(temp.path, 'log'), join(temp.path, 'bundle')];
  await mkdir(folder);
  await mkdir(bundle);
  const burst = 'n=0; while [ $n -lt 400 ]; do echo "line $i"; i=$((i+1)); n=$((n+1)); done';
  const script = `i=0; while :; do ${burst}; sleep 0.01; done`;
  const path = join(folder, 'log');
  await using container = await PrintingContainer.start(bundle, path, 'sh', ['-c', script]);
  const agent = fileURLToPath(new URL('support/log-agent-program.ts', import.meta.url));
  const totalBytes = 400_000;
  const newest = async (): Promise<number> => {
    const names = await readdir(folder);
    return Math.max(0, ...names.map((name) => Number(/^log\.(\d+)$/.exec(name)?.[1] ?? 0)));
  };
  for (let kill = 0; kill < 4; kill++) {
    const before = await newest();
    const args = [agent, folder, bundle, String(totalBytes)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    const exited = once(child, 'exit');
    const hasBegunSome = async (): Promise<boolean> => (await newest()) >= before + 3;
    await waitFor(hasBegunSome, { timeoutMs: 60_000, everyMs: 1, what: 'some new files' });
    child.kill('SIGKILL');
    await exited;
    using ring = await LogRing.open({ folder, totalBytes, reopen: () => container.reopen() });
    const kept = lineNumbers((await Array.fromAsync(ring.since(0))).slice(1));
    const [first = 0] = kept;
    assert.ok(kept.length > 1_000);
    assert.deepEqual(
      kept,
      Array.from({ length: kept.length }, (_, i) => first + i),
    );
  }
});
