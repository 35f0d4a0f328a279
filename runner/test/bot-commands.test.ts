import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { BcdbServer } from '@commongrid/bcdb';
import { collectionFlags, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';

import { makeGridNamespaces } from '../src/commands/bcdb/grid-types.ts';
import { childVariables } from '../src/environment.ts';

const main = new URL('../src/main.ts', import.meta.url).pathname;

/** Runs of `grid bot` in one home. */
class Bots {
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
  }

  spawn(args: readonly string[]): ChildProcess {
    // As the supervisor starts them.
    return spawn(process.execPath, [...collectionFlags.waiting, main, 'bot', ...args, '--json'], {
      env: childVariables({ ...process.env, GRID_HOME: this.#home }),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  /** What one prints. */
  async run(...args: readonly string[]): Promise<Record<string, unknown>> {
    const child = this.spawn(args);
    assert.ok(child.stdout);
    const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    return JSON.parse(printed) as Record<string, unknown>;
  }

  /** Starts one; resolves once it says where it is. */
  async start(name: string): Promise<ChildProcess> {
    const child = this.spawn(['start', name]);
    assert.ok(child.stdout);
    const ended = once(child, 'exit').then(() => assert.fail(`${name} ended`));
    await Promise.race([once(child.stdout, 'data'), ended]);
    return child;
  }
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exit = once(child, 'exit') as Promise<[number | null]>;
  child.kill('SIGTERM');
  return (await exit)[0];
}

test('bots are made, talk, get new keys and talk on', async (t) => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder('bot-commands')).path;
  const server = await BcdbServer.open({
    ...{ dataDir: join(folder, 'bcdb'), owner: SigningKey.generate() },
    ...{ http: { host: '127.0.0.1', port: 0 }, beforeDoors: makeGridNamespaces },
  });
  stack.use(server);
  const bots = new Bots(join(folder, 'home'));
  const genesis = join(folder, 'bcdb', 'genesis.json');
  const { host, port } = server.httpAddress;
  const place = ['--address', `http://${host}:${port}`, '--genesis', genesis];
  const anna = await bots.run('init', 'anna', ...place);
  const bob = await bots.run('init', 'bob', ...place);
  assert.match(String(anna['id']), /^bot:/);
  // Broken off or not, the same call comes to the same bot.
  assert.equal((await bots.run('init', 'anna', ...place))['id'], anna['id']);
  const taken = ['--data', join(folder, 'other')];
  const refused = await bots.run('init', 'bob', ...place, ...taken);
  assert.equal(refused['schema'], 'grid.error.1');

  const a = await bots.start('anna');
  let b = await bots.start('bob');
  t.after(() => Promise.all([stop(a), stop(b)]));
  const say = (words: string) =>
    bots.run(
      ...['call', 'anna', 'mailbox.send'],
      JSON.stringify({ to: bob['id'], kind: 'messages.put', body: { text: words } }),
    );
  const heard = async (words: string): Promise<boolean> => {
    const { answer } = await bots.run('call', 'bob', 'messages.list');
    return (answer as readonly { readonly text: string }[]).some((one) => one.text === words);
  };
  await say('before');
  const patience = { timeoutMs: 120_000, everyMs: 200 };
  await waitFor(() => heard('before'), { what: 'the first message', ...patience });
  const running = await bots.run('rotate', 'bob');
  assert.equal(running['schema'], 'grid.bot.rotate.1');
  await say('meanwhile');
  await waitFor(() => heard('meanwhile'), {
    what: 'a message to the key of who runs',
    ...patience,
  });

  assert.equal(await stop(b), 0);
  assert.equal((await bots.run('status', 'bob'))['isRunning'], false);
  assert.equal((await bots.run('call', 'bob', 'bot.about'))['code'], 'GRID_BOT_STOPPED');
  const { former, key } = await bots.run('rotate', 'bob');
  assert.equal(former, running['key']);
  assert.notEqual(former, key);
  await say('after');
  b = await bots.start('bob');
  await waitFor(() => heard('after'), { what: 'a message to the new key', ...patience });
  const status = await bots.run('status', 'bob');
  assert.equal(status['isRunning'], true);
  assert.ok(Number(status['residentBytes']) < 200e6, String(status['residentBytes']));
  const brake = await bots.run('release-brake', 'anna');
  assert.deepEqual([brake['schema'], brake['wasOn']], ['grid.bot.release-brake.1', false]);
  // Without the words nobody gets a new key.
  await stop(b);
  await rm(String(bob['wordsFile']));
  assert.equal((await bots.run('rotate', 'bob'))['code'], 'GRID_FILE_UNREADABLE');
});
