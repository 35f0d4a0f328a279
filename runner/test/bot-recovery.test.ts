import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { BcdbServer } from '@commongrid/bcdb';
import { BcdbClient } from '@commongrid/bcdb/client';
import { askControl, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { buildContract, draftFileOf, secretsText, seededDraw } from '@commongrid/contract';
import { SigningKey } from '@commongrid/crypto';
import type { BotId, ContractId, KeyText } from '@commongrid/model';

import { openOrigin } from '../src/bot-recovery/recovery-origin.ts';
import { recoverBot } from '../src/bot-recovery/recover-bot.ts';
import type { RecoverOptions } from '../src/bot-recovery/recover-bot.ts';
import { KeptContracts } from '../src/bot-service/kept-contracts.ts';
import { BotFolder } from '../src/commands/bot/bot-folder.ts';
import { makeGridNamespaces } from '../src/commands/bcdb/grid-types.ts';
import { childVariables } from '../src/environment.ts';

const main = new URL('../src/main.ts', import.meta.url).pathname;

type Result = Readonly<Record<string, unknown>>;

/** A machine with `grid`, and nothing else. */
class Machine {
  readonly home: string;

  constructor(home: string) {
    this.home = home;
  }

  spawn(args: readonly string[]): ChildProcess {
    return spawn(process.execPath, [main, ...args, '--json'], {
      env: childVariables({ ...process.env, GRID_HOME: this.home }),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  async run(...args: readonly string[]): Promise<Result> {
    const child = this.spawn(args);
    assert.ok(child.stdout);
    const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    return JSON.parse(printed) as Result;
  }

  /** Of a method of a bot of this machine. */
  call(name: string, method: string, input: object = {}): Promise<unknown> {
    return askControl(join(this.folder(name), 'control.sock'), 'call', { method, input });
  }

  async start(name: string): Promise<ChildProcess> {
    const child = this.spawn(['bot', 'start', name]);
    assert.ok(child.stdout);
    const ended = once(child, 'exit').then(() => assert.fail(`${name} ended`));
    await Promise.race([once(child.stdout, 'data'), ended]);
    return child;
  }

  folder(name: string): string {
    return join(this.home, 'bots', name);
  }
}

/** A database with the types of the grid, and machines around it. */
class Scene {
  readonly folder: string;
  readonly place: readonly string[];
  readonly url: string;
  readonly server: BcdbServer;
  readonly #stack: AsyncDisposableStack;

  private constructor(folder: string, server: BcdbServer, stack: AsyncDisposableStack) {
    this.folder = folder;
    this.#stack = stack;
    this.server = server;
    const { host, port } = server.httpAddress;
    this.url = `http://${host}:${port}`;
    this.place = ['--address', this.url, '--genesis', join(folder, 'bcdb', 'genesis.json')];
  }

  static async open(t: TestContext): Promise<Scene> {
    const stack = new AsyncDisposableStack();
    t.after(() => stack.disposeAsync());
    const folder = stack.use(await tempFolder('bot-recovery')).path;
    const server = await BcdbServer.open({
      ...{ dataDir: join(folder, 'bcdb'), owner: SigningKey.generate() },
      ...{ http: { host: '127.0.0.1', port: 0 }, beforeDoors: makeGridNamespaces },
    });
    return new Scene(folder, stack.use(server), stack);
  }

  machine(name: string): Machine {
    return new Machine(join(this.folder, name));
  }

  /** Starts a bot; it ends before its database and its folder do. */
  async start(machine: Machine, name: string): Promise<ChildProcess> {
    const child = await machine.start(name);
    this.#stack.defer(() => stop(child));
    return child;
  }

  /** Keys of a bot as its record has them, and how they ended. */
  async keysOf(
    bot: unknown,
  ): Promise<readonly { readonly key: string; readonly ended?: string }[]> {
    const { log, sequencer: sequencerKey } = this.server.bcdb;
    const client = await BcdbClient.connect({ url: this.url, trust: { log, sequencerKey } });
    const { value } = await client.get('grid', 'grid.bot.1', String(bot));
    return (value as { keys: { key: string; ended?: string }[] }).keys;
  }

  async makeNamespace(ns: string, bot: unknown): Promise<void> {
    const value = { grants: [{ to: String(bot), rights: ['admin'] }] };
    const name = { ns, url: 'bcdb.namespace.1', obj: 'namespace' } as const;
    await this.server.bcdb.write({ ...name, op: 'put', value });
  }
}

async function stop(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

/** Gives a bot that does not run the papers of a contract with a secret. */
async function keepContract(folder: string, scene: Scene, bot: unknown): Promise<ContractId> {
  const built = await buildContract(
    {
      name: 'store',
      secrets: { admin: 'a secret word' },
      roles: [{ name: 'shard', zdb: { size: '16MiB', password: 'admin' } }],
    },
    {
      ...{ log: scene.server.bcdb.log, owner: bot as BotId, at: Date.now(), folder: '/' },
      controller: SigningKey.generate().publicKey.text as KeyText,
      draw: seededDraw(randomBytes(32)),
      resolveImage: async () => '',
      findBot: async () => undefined,
      findSeal: async () => undefined,
    },
  );
  const kept = await KeptContracts.open(join(folder, 'contracts'));
  const secrets: unknown = JSON.parse(secretsText(built) ?? '');
  return (await kept.keep({ draft: draftFileOf(built), secrets })).id;
}

const note = { title: 'Roof', format: 'text', body: 'mend it', tags: [], changedMs: 1 };

test('the card alone brings a bot back on an empty machine', async (t) => {
  const scene = await Scene.open(t);
  const [old, other, next] = ['old', 'other', 'new'].map((name) => scene.machine(name));
  assert.ok(old && other && next);
  const ada = await old.run('bot', 'init', 'ada', ...scene.place);
  const bob = await other.run('bot', 'init', 'bob', ...scene.place);
  await scene.makeNamespace('bot-ada', ada['id']);
  await writeFile(join(old.folder('ada'), 'farmer-notes.txt'), 'a paper of the bot');
  const contract = await keepContract(old.folder('ada'), scene, ada['id']);
  const running = await scene.start(old, 'ada');
  await scene.start(other, 'bob');
  await old.call('ada', 'data.configure', { namespace: 'bot-ada' });
  await old.call('ada', 'data.define', { collection: 'notes', type: 'grid.note.1' });
  await old.call('ada', 'data.put', { collection: 'notes', id: '1', value: note });
  await old.call('ada', 'people.allow', { bot: bob['id'], standing: 'circle' });
  const hello = { to: ada['id'], kind: 'messages.put', body: { text: 'hello' } };
  await other.call('bob', 'mailbox.send', hello);
  const heard = async (machine: Machine) =>
    (await machine.call('ada', 'messages.list')) as readonly { text: string }[];
  const patience = { timeoutMs: 120_000, everyMs: 200 };
  await waitFor(async () => (await heard(old)).length === 1, { what: 'the message', ...patience });
  const coin = ['wallet', 'currency', 'create', 'TFT', '--decimals', '2', '--max', '100'];
  await old.run(...coin, '--bot', 'ada');
  await old.run('wallet', 'send', 'bob', '12.50', 'TFT', '--bot', 'ada');
  const balance = await old.run('wallet', 'balance', '--bot', 'ada');
  assert.ok(JSON.stringify(balance).includes('"-1250"'), JSON.stringify(balance));
  const messages = await heard(old);
  const backup = await old.run('bot', 'backup', 'ada');
  assert.deepEqual(backup['failures'], [], JSON.stringify(backup));
  const card = join(scene.folder, 'card');
  await old.run('bot', 'card', 'ada', '--out', card);
  assert.equal((await stat(card)).mode & 0o777, 0o600);

  // The machine is gone.
  await stop(running, 'SIGKILL');
  await rm(old.home, { recursive: true });
  const recovered = await next.run('bot', 'recover', 'ada', '--card', card, '--lost');
  assert.equal(recovered['id'], ada['id'], JSON.stringify(recovered));
  assert.deepEqual(recovered['others'], []);
  await scene.start(next, 'ada');
  assert.deepEqual(await heard(next), messages);
  const people = await next.call('ada', 'people.list');
  assert.deepEqual(people, [{ bot: bob['id'], standing: 'circle' }]);
  const record = await next.call('ada', 'data.get', { collection: 'notes', id: '1' });
  assert.deepEqual((record as { value: unknown }).value, note);
  const papers = await KeptContracts.open(join(next.folder('ada'), 'contracts'));
  assert.equal(papers.of(contract)?.secrets.get('admin')?.value, 'a secret word');
  const paper = await readFile(join(next.folder('ada'), 'farmer-notes.txt'), 'utf8');
  assert.equal(paper, 'a paper of the bot');
  assert.deepEqual(await next.run('wallet', 'balance', '--bot', 'ada'), balance);
  // It acts as before, with its own key, and others know it.
  await next.run('wallet', 'send', 'bob', '1', 'TFT', '--bot', 'ada');
  await next.call('ada', 'mailbox.send', { ...hello, to: bob['id'] });
  const bobs = async () => (await other.call('bob', 'messages.list')) as readonly unknown[];
  await waitFor(async () => (await bobs()).length === 1, { what: 'an answer', ...patience });
  const keys = await scene.keysOf(ada['id']);
  assert.deepEqual(
    keys.map(({ key, ended }) => [key === recovered['key'], ended]),
    [
      [false, 'compromised'],
      [true, undefined],
    ],
  );
});

test('a recovery that was broken off goes on, and two machines get keys of their own', async (t) => {
  const scene = await Scene.open(t);
  const old = scene.machine('old');
  const ada = await old.run('bot', 'init', 'ada', ...scene.place);
  const wordsFile = String(ada['wordsFile']);
  const backups = join(scene.folder, 'backups');
  const running = await scene.start(old, 'ada');
  await old.call('ada', 'backup.now', { folder: backups });
  await old.call('ada', 'people.allow', { bot: ada['id'], standing: 'admin' });
  await old.call('ada', 'backup.now', { folder: backups });
  await stop(running, 'SIGKILL');
  const { log } = scene.server.bcdb;
  const recover = async (
    machine: string,
    changes: Partial<RecoverOptions & { log: string }> = {},
  ) =>
    recoverBot(
      BotFolder.named(scene.machine(machine).home, 'ada'),
      await openOrigin({ wordsFile, log: changes.log ?? log, url: scene.url }),
      {
        ...{ name: 'ada', from: [], end: [] },
        ...{ isLost: false, isOlderAccepted: false, withoutBackup: false },
        ...changes,
      },
    );

  const [older = '', newest = ''] = (await readdir(backups)).toSorted();
  const oldPlace = join(scene.folder, 'older.backup');
  await rename(join(backups, older), oldPlace);
  const hidden = join(scene.folder, 'hidden.backup');
  await rename(join(backups, newest), hidden);
  await assert.rejects(recover('one'), { code: 'BOT_BACKUP_MISSING' });
  await assert.rejects(recover('one', { from: [oldPlace] }), { code: 'BOT_BACKUP_STALE' });
  await assert.rejects(recover('one', { log: 'A'.repeat(43) }), { code: 'BCDB_OTHER_LOG' });
  await assert.rejects(recover('one', { name: 'eve' }), { code: 'GRID_BOT_UNKNOWN' });
  // Nothing of that is in the log.
  assert.equal((await scene.keysOf(ada['id'])).length, 1);
  const accepted = await recover('older', { from: [oldPlace], isOlderAccepted: true });
  assert.equal(accepted.backup?.isNewest, false);
  await rename(hidden, join(backups, newest));

  const first = await recover('one');
  assert.equal(first.backup?.isNewest, true);
  await assert.rejects(recover('one'), { code: 'GRID_BOT_EXISTS' });
  // As if the power had gone before the last step, and before the files.
  const folder = scene.machine('one').folder('ada');
  for (const gone of [['bot.json'], ['bot.json', 'data', 'former-1-key']]) {
    for (const name of gone) await rm(join(folder, name), { recursive: true });
    assert.equal((await recover('one')).key, first.key);
    assert.ok((await readdir(folder)).includes('former-1-key'));
  }
  const rivals = await Promise.all(['two', 'three', 'four'].map((name) => recover(name)));
  const keys = [accepted, first, ...rivals].map(({ key }) => key);
  assert.equal(new Set(keys).size, 5);
  const listed = await scene.keysOf(ada['id']);
  const live = listed.filter(({ ended }) => ended === undefined).map(({ key }) => key);
  assert.deepEqual(new Set(live), new Set(keys));
  assert.deepEqual([listed.length, listed[0]?.ended], [6, 'retired']);
});
