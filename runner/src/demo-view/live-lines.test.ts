import assert from 'node:assert/strict';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { LiveLines } from './live-lines.ts';

/** A terminal as far as lines are drawn on it: what it shows, and how often it was drawn. */
class Screen {
  readonly rows: number;
  readonly lines: string[] = [];
  drawings = 0;

  constructor(rows = 24) {
    this.rows = rows;
  }

  write(text: string): void {
    // oxlint-disable-next-line no-control-regex -- what a terminal obeys
    for (const part of text.split(/(\r?\u001b\[\d*[AJ]|\u001b\[\?7[lh])/)) {
      const up = /\[(\d+)A/.exec(part);
      if (up !== null) this.lines.splice(this.lines.length - Number(up[1]));
      else if (part.endsWith('[?7h')) this.drawings++;
      else if (!part.includes('\u001b')) this.lines.push(...part.split('\n').slice(0, -1));
    }
  }
}

test('lines are drawn in place, below what is printed, and leave nothing', () => {
  const screen = new Screen();
  const live = new LiveLines(screen);
  live.show(['one', 'two']);
  assert.deepEqual(screen.lines, ['one', 'two']);
  live.above(() => screen.write('said\n'));
  assert.deepEqual(screen.lines, ['said', 'one', 'two']);
  live.close();
  live.close();
  assert.deepEqual(screen.lines, ['said']);
  live.show(['late']);
  live.above(() => screen.write('said last\n'));
  assert.deepEqual(screen.lines, ['said', 'said last']);
});

test('what comes quickly is drawn once, as it was last', async () => {
  const screen = new Screen();
  using live = new LiveLines(screen);
  for (let n = 0; n < 100; n++) live.show([`frame ${n}`]);
  const isLast = async (): Promise<boolean> => screen.lines[0] === 'frame 99';
  await waitFor(isLast, { what: 'the last frame', timeoutMs: 30_000, everyMs: 5 });
  assert.ok(screen.drawings <= 3, `drawn ${screen.drawings} times`);
});

test('no more lines stand there than the terminal is high', () => {
  const screen = new Screen(4);
  using live = new LiveLines(screen);
  live.show(['1', '2', '3', '4', '5']);
  assert.deepEqual(screen.lines, ['1', '2', '3']);
});
