import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { BcdbServer } from '@commongrid/bcdb';
import { BcdbClient } from '@commongrid/bcdb/client';
import { askControl, waitFor } from '@commongrid/base';
import { firstLineOf, Gate, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';

import { makeGridNamespaces } from '../src/commands/bcdb/grid-types.ts';
import { childVariables } from '../src/environment.ts';

const main = new URL('../src/main.ts', import.meta.url).pathname;
const patience = { timeoutMs: 120_000, everyMs: 200 };

interface Status {
  readonly database: { readonly state: string; readonly answeredMs: number | null };
}

test('a bot comes up while its database is away, says so, and goes on when it is back', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder('bot-alone')).path;
  const server = stack.use(
    await BcdbServer.open({
      ...{ dataDir: join(folder, 'bcdb'), owner: SigningKey.generate() },
      ...{ http: { host: '127.0.0.1', port: 0 }, beforeDoors: makeGridNamespaces },
    }),
  );
  const gate = stack.use(await Gate.open(server.httpAddress.port));
  const home = join(folder, 'home');
  const run = (...args: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [main, 'bot', ...args, '--json'], {
      env: childVariables({ ...process.env, GRID_HOME: home }),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    stack.defer(async () => void (await stop(child)));
    return child;
  };
  const init = run(
    ...['init', 'anna', '--address', gate.url],
    ...['--genesis', join(folder, 'bcdb', 'genesis.json')],
  );
  assert.ok(init.stdout);
  const { id } = JSON.parse(await text(init.stdout)) as { readonly id: string };

  gate.shut();
  const bot = run('start', 'anna', '--metrics', '127.0.0.1:0');
  const report = JSON.parse(await firstLineOf(bot)) as Record<string, string>;
  assert.equal(report['database'], 'away');
  const call = (method: string, input: object = {}): Promise<unknown> =>
    askControl(join(home, 'bots', 'anna', 'control.sock'), 'call', { method, input });
  const status = async (): Promise<Status> => (await call('bot.status')) as Status;
  assert.deepEqual((await status()).database, { state: 'away', answeredMs: null });
  // What is its own is served.
  await call('mailbox.send', { to: id, kind: 'messages.put', body: { text: 'a note' } });
  assert.deepEqual(await call('people.list'), []);
  assert.deepEqual(await call('contracts.list'), []);
  assert.equal(bot.exitCode, null);
  const metrics = async (): Promise<string> => (await fetch(report['metrics'] ?? '')).text();
  assert.match(await metrics(), /^bot_database_up 0$/m);

  gate.unshut();
  const { log, sequencer: sequencerKey } = server.bcdb;
  const url = `http://127.0.0.1:${server.httpAddress.port}`;
  const client = await BcdbClient.connect({ url, trust: { log, sequencerKey } });
  const addresses = async (): Promise<readonly string[]> => {
    const { value } = await client.get('grid', 'grid.bot.1', id);
    return (value as { readonly addresses: readonly string[] }).addresses;
  };
  await waitFor(async () => (await addresses()).includes(report['address'] ?? ''), {
    ...{ what: 'the record to say where it is', ...patience },
  });
  const isHeard = async (): Promise<boolean> =>
    ((await call('messages.list')) as readonly unknown[]).length === 1;
  await waitFor(isHeard, { what: 'the note', ...patience });
  await waitFor(async () => (await status()).database.state === 'there', {
    ...{ what: 'the database to be there', ...patience },
  });
  const isUp = async (): Promise<boolean> => /^bot_database_up 1$/m.test(await metrics());
  await waitFor(isUp, { what: 'the metrics to say so', ...patience });
  const published = await metrics();
  assert.match(published, /^bot_contract_nodes_silent 0$/m);
  assert.match(published, /^bot_messages_arrived_total\{outcome="taken"\} 1$/m);
  assert.equal(await stop(bot), 0);
});

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exit = once(child, 'exit') as Promise<[number | null]>;
  child.kill('SIGTERM');
  return (await exit)[0];
}
