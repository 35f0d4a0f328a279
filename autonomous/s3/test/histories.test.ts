import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';

import { delay, reservePort, seededRandom, waitFor } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { isLinearisable, ZdbFleet } from '@commongrid/zstor/testing';
import type { RegisterOperation } from '@commongrid/zstor/testing';

import { signedHead } from './signed-request.ts';
import { fourPlusTwo, HeadProcess } from './support/head-process.ts';
import { exchange } from './support/raw-exchange.ts';
import type { RawAnswer } from './support/raw-exchange.ts';

const rounds = process.env['GRID_TEST_LONG'] === '1' ? 20 : 1;
const clients = 4;
/** Between two requests of a client: histories that are too long cannot be checked. */
const pauseMs = 40;
/** Then a client gives up, and does not know. */
const answerMs = 1_500;

suite('histories of keys', () => {
  test('are linearisable while heads are killed and frozen, and servers cut off', async () => {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(await ZdbFleet.open(6));
    const backendsFile = await fleet.makeStore('histories');
    const heads: HeadProcess[] = [];
    for (const name of ['a', 'b']) {
      const place = {
        ...{ folder: join(fleet.folder, name), keyFile: join(fleet.folder, 'key') },
        ...{ backendsFile, policy: fourPlusTwo, port: await reservePort() },
      };
      const isFirst = heads.length === 0;
      heads.push(stack.use(isFirst ? await HeadProcess.open(place) : HeadProcess.standBy(place)));
    }
    const world = new World(heads);
    await waitFor(() => world.makeBucket(), waiting('a bucket'));
    for (let round = 0; round < rounds; round++) {
      world.begin(round);
      const stopped = world.run(round);
      try {
        for (const fault of [killHead, freezeHead, cutServersOff]) {
          const before = world.answered;
          await fault(world, fleet);
          await waitFor(() => world.answered > before + 20, waiting('answers'));
        }
      } finally {
        // Clients that go on would keep the process after a failure.
        world.isOver = true;
        await stopped;
      }
      for (const [key, history] of world.histories) {
        assert.ok(history.length > 10, key);
        assert.ok(isLinearisable(history), `round ${round}, ${key}: ${JSON.stringify(history)}`);
      }
    }
  });
});

async function killHead(world: World): Promise<void> {
  const head = await world.serving();
  await head.kill();
  await waitFor(async () => (await world.serving()) !== head, waiting('another head'));
  await head.standByAgain();
}

/** It believes to serve when it goes on. */
async function freezeHead(world: World): Promise<void> {
  const head = await world.serving();
  head.signal('SIGSTOP');
  try {
    await waitFor(async () => (await world.serving()) !== head, waiting('another head'));
  } finally {
    head.signal('SIGCONT');
  }
}

/** Without a majority of the log nothing is answered. */
async function cutServersOff(_world: World, fleet: ZdbFleet): Promise<void> {
  const some = [0, 2, 4].map((at) => fleet.server(at));
  for (const server of some) server.signal('SIGSTOP');
  await delay(2_500);
  for (const server of some) server.signal('SIGCONT');
}

function waiting(what: string): { what: string; timeoutMs: number; everyMs: number } {
  return { what, timeoutMs: 90_000, everyMs: 100 };
}

/** Clients that ask any head, and note what each call and answer was. */
class World {
  readonly histories = new Map<string, RegisterOperation[]>();
  answered = 0;
  isOver = false;
  readonly #heads: readonly HeadProcess[];
  #values = 0;

  constructor(heads: readonly HeadProcess[]) {
    this.#heads = heads;
  }

  /** New keys, of which nothing is known but that they are absent. */
  begin(round: number): void {
    this.isOver = false;
    this.histories.clear();
    for (const name of 'wxyz') this.histories.set(`${name}${round}`, []);
  }

  async run(round: number): Promise<void> {
    const all = Array.from({ length: clients }, (_, i) =>
      this.#live(seededRandom(`${round} ${i}`)),
    );
    await Promise.all(all);
  }

  async makeBucket(): Promise<boolean> {
    const { status } = await ask(this.#heads[0], 'PUT', '/histories');
    return status === 200;
  }

  /** A head that answers now. */
  async serving(): Promise<HeadProcess> {
    const find = async (): Promise<HeadProcess | undefined> => {
      for (const head of this.#heads) {
        const { status } = await ask(head, 'HEAD', '/histories');
        if (status === 200) return head;
      }
      return undefined;
    };
    return waitFor(find, waiting('a head'));
  }

  async #live(random: Random): Promise<void> {
    const keys = [...this.histories.keys()];
    while (!this.isOver) {
      await delay(pauseMs);
      const key = keys[random.int(0, keys.length)] ?? '';
      const head = this.#heads[random.int(0, this.#heads.length)];
      const dice = random.float();
      if (dice < 0.5) await this.#read(head, key);
      else await this.#write(head, key, dice < 0.9 ? ++this.#values : undefined);
    }
  }

  async #read(head: HeadProcess | undefined, key: string): Promise<void> {
    const calledMs = performance.now();
    const { status, body } = await ask(head, 'GET', `/histories/${key}`);
    if (status !== 200 && status !== 404) return;
    const value = status === 200 ? Number(body) : undefined;
    this.#note(key, { kind: 'read', value, calledMs, answeredMs: performance.now() });
  }

  async #write(head: HeadProcess | undefined, key: string, value?: number): Promise<void> {
    const calledMs = performance.now();
    const method = value === undefined ? 'DELETE' : 'PUT';
    const { status } = await ask(head, method, `/histories/${key}`, String(value ?? ''));
    // Nobody listened: nothing was sent.
    if (status === -1) return;
    const isDone = status === 200 || status === 204;
    const answeredMs = isDone ? performance.now() : Infinity;
    this.#note(key, { kind: 'write', value, calledMs, answeredMs });
  }

  #note(key: string, operation: RegisterOperation): void {
    this.histories.get(key)?.push(operation);
    if (operation.answeredMs < Infinity) this.answered++;
  }
}

/** One request, without trying again. A head that is frozen takes it and says nothing. */
function ask(
  head: HeadProcess | undefined,
  method: string,
  path: string,
  body = '',
): Promise<RawAnswer> {
  const headers = { connection: 'close', 'content-length': String(body.length) };
  const signed = signedHead({ method, path, headers });
  return exchange(head?.port ?? 0, signed + body, answerMs);
}
