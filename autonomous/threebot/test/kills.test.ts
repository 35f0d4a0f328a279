import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { seededRandom, waitFor } from '@commongrid/base';
import { Cable, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { botIdOf } from '@commongrid/model';
import type { ChatPlan } from './processes/chatting-bot.ts';
import { StartedProcess } from './support/started-process.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';
const { messages, kills } = isLong ? { messages: 10_000, kills: 20 } : { messages: 500, kills: 5 };
const size = 10;
const sides = ['left', 'right'] as const;
type Side = (typeof sides)[number];

test('two bots in two namespaces exchange messages through kills, each effect exactly once', async () => {
  const seed = Number(process.env['GRID_TEST_SEED'] ?? Date.now() % 1_000_000);
  const random = seededRandom(seed);
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder('threebot-kills')).path;
  const cable = stack.use(await Cable.open());
  const keys = { left: newKeys('left-bot'), right: newKeys('right-bot') };
  const database = stack.use(
    await StartedProcess.start(cable, 'left', 'database.ts', {
      ...{ folder: join(folder, 'bcdb'), host: Cable.left },
      bots: [keys.left, keys.right],
    }),
  );
  const grid = JSON.parse(database.line) as Pick<ChatPlan, 'url' | 'trust'>;
  const bots = new Map<Side, StartedProcess>();
  stack.defer(async () => {
    for (const bot of bots.values()) await bot.kill();
  });
  const start = async (side: Side): Promise<void> => {
    const plan: ChatPlan = {
      ...{ folder: join(folder, side), id: keys[side].id, seed: keys[side].device, ...grid },
      ...{ host: Cable[side], port: 7_000, to: keys[other(side)].id },
      ...{ batches: messages / 2 / size, size },
    };
    bots.set(side, await StartedProcess.start(cable, side, 'chatting-bot.ts', plan));
  };
  await Promise.all(sides.map(start));

  const heard = (): number => sides.reduce((sum, side) => sum + countHeard(folder, side), 0);
  for (let kill = 1; kill <= kills; kill++) {
    // Somewhere between the kill before and the next one's turn.
    const from = ((kill - 1) * messages) / (kills + 1);
    const at = Math.floor(from + random.float() * (messages / (kills + 1)));
    await waitFor(() => heard() >= at, { what: `message ${at}, seed ${seed}`, ...patience });
    const side = random.float() < 0.5 ? 'left' : 'right';
    await bots.get(side)?.kill();
    await start(side);
  }
  const isDone = (): boolean =>
    heard() === messages && sides.every((side) => isEmpty(folder, side));
  await waitFor(isDone, { what: `all messages, seed ${seed}`, ...patience });
  for (const side of sides) {
    const rows = heardBy(folder, side);
    const wrong = rows.filter(({ n, times }, i) => n !== i || times !== 1);
    assert.deepEqual(wrong, [], `seed ${seed}`);
    assert.equal(rows.length, messages / 2);
  }
});

const patience = { timeoutMs: isLong ? 900_000 : 120_000, everyMs: 50 };

function other(side: Side): Side {
  return side === 'left' ? 'right' : 'left';
}

function newKeys(name: string) {
  const [root, device] = [SigningKey.generate(), SigningKey.generate()];
  const text = (key: SigningKey): string => Buffer.from(key.exportSeed()).toString('base64url');
  return { name, id: botIdOf(root.publicKey.text), root: text(root), device: text(device) };
}

function read(folder: string, side: Side, sql: string) {
  using db = new DatabaseSync(join(folder, side, 'bot.sqlite'), {
    readOnly: true,
    timeout: 10_000,
  });
  return db.prepare(sql).all();
}

function heardBy(folder: string, side: Side): { readonly n: number; readonly times: number }[] {
  const rows = read(folder, side, 'SELECT n, times FROM heard ORDER BY n');
  return rows.map((row) => ({ n: Number(row['n']), times: Number(row['times']) }));
}

/** Numbers that came, for looks that are taken often. */
function countHeard(folder: string, side: Side): number {
  return Number(read(folder, side, 'SELECT count(*) AS n FROM heard')[0]?.['n']);
}

function isEmpty(folder: string, side: Side): boolean {
  return read(folder, side, 'SELECT seq FROM outbox LIMIT 1').length === 0;
}
