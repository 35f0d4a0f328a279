import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import type { GrowthRule } from './growth.ts';
import { ProcessWatch } from './process-watch.ts';

/** Does something for each line that it gets, and says that it did. */
const program = (body: string): string => `
  const kept = [];
  require('node:readline').createInterface({ input: process.stdin }).on('line', () => {
    ${body}
    console.log('done');
  });
  console.log('up');
`;
/** Memory that is written to, so that it is there. */
const leaking = program('kept.push(Buffer.alloc(2 ** 22, 1));');
const tidy = program('(kept[0] ??= Buffer.alloc(2 ** 22)).fill(1);');
const opening = program(`kept.push(require('node:fs').openSync('/dev/null'));`);

/** Of the clock of a test: a look each ten seconds of it. */
const rule: GrowthRule = {
  ...{ warmUpMs: 60_000, judgedMsMin: 60_000 },
  riseMax: { ownBytes: 16 * 2 ** 20, files: 8 },
};

/** A program, a line at a time. */
class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  static async start(text: string): Promise<Program> {
    const stdio: ['pipe', 'pipe', 'inherit'] = ['pipe', 'pipe', 'inherit'];
    const child = spawn(process.execPath, ['-e', text], { stdio });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next();
    return new Program(child, lines);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async go(): Promise<void> {
    this.#child.stdin?.write('go\n');
    await this.#lines.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const over = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await over;
  }
}

/** Looks at a program so often, which does its work between two looks. */
async function watched(
  texts: readonly string[],
  looks = 30,
): Promise<ReturnType<ProcessWatch['findings']>> {
  let [nowMs, pid] = [0, 0];
  const watch = new ProcessWatch({
    nameOf: (_, one) => (one === pid ? 'program' : undefined),
    nowMs: () => nowMs,
    rule,
  });
  for (const text of texts) {
    await using child = await Program.start(text);
    pid = child.pid;
    for (let at = 0; at < looks; at++) {
      await watch.look();
      await child.go();
      nowMs += 10_000;
    }
  }
  return watch.findings();
}

test('a program that keeps what it takes is found to leak', async () => {
  const [found] = await watched([leaking]);
  assert.equal(found?.growth?.isFlat, false);
  const perHour = found.growth.bytesPerHour / 2 ** 20;
  assert.ok(perHour > 1_000, `4 MiB each ten seconds are 1440 an hour, and it says ${perHour}`);
  assert.ok(found.largestBytes > 30 * 2 ** 22);
});

test('a program that gives back what it takes is flat', async () => {
  const [found] = await watched([tidy]);
  assert.equal(found?.growth?.isFlat, true);
});

test('a program that closes no file is found to leak', async () => {
  const [found] = await watched([opening]);
  assert.equal(found?.growth?.isFlat, false);
  assert.ok(Math.abs(found.growth.filesPerHour - 360) < 4);
});

test('one that takes the place of another begins anew, and a leak of the former stays one', async () => {
  const [found] = await watched([leaking, tidy]);
  assert.equal(found?.lives, 2);
  assert.equal(found.growth?.isFlat, false);
  const [short] = await watched([leaking, leaking], 10);
  assert.equal(short?.lives, 2);
  assert.equal(short.growth, undefined);
});
