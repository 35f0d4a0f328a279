import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { BcdbServer } from '@commongrid/bcdb';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { fakeId } from '@commongrid/model/testing';

import { makeGridNamespaces } from '../src/commands/bcdb/grid-types.ts';
import { childVariables } from '../src/environment.ts';

const main = new URL('../src/main.ts', import.meta.url).pathname;

interface Result {
  readonly schema: string;
  readonly code?: string;
  readonly message?: string;
  readonly id?: string;
  readonly hash?: string;
  readonly revision?: number;
  readonly transfer?: string;
  readonly balances?: readonly { readonly shown: string }[];
  readonly lines?: readonly { readonly kind: string; readonly amount: string }[];
}

/** Commands in one home, each as a bot of it. */
class Commands {
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
  }

  async run(...words: readonly string[]): Promise<Result> {
    const child = spawn(process.execPath, [main, ...words, '--json'], {
      env: childVariables({ ...process.env, GRID_HOME: this.#home }),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    return JSON.parse(printed) as Result;
  }

  async must(...words: readonly string[]): Promise<Result> {
    const result = await this.run(...words);
    assert.notEqual(result.schema, 'grid.error.1', result.message ?? '');
    return result;
  }

  /** `grid wallet` as that bot; one that must succeed. */
  wallet(bot: string, ...words: readonly string[]): Promise<Result> {
    return this.must('wallet', ...words, '--bot', bot);
  }

  async refusal(bot: string, ...words: readonly string[]): Promise<string> {
    const { code, message } = await this.run('wallet', ...words, '--bot', bot);
    return `${code}: ${message}`;
  }
}

test('bots of a machine share an account, sell for a secret, and are refused with codes', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder('wallet-commands')).path;
  const server = await BcdbServer.open({
    ...{ dataDir: join(folder, 'bcdb'), owner: SigningKey.generate() },
    ...{ http: { host: '127.0.0.1', port: 0 }, beforeDoors: makeGridNamespaces },
  });
  stack.use(server);
  const grid = new Commands(join(folder, 'home'));
  const { host, port } = server.httpAddress;
  const genesis = join(folder, 'bcdb', 'genesis.json');
  const place = ['--address', `http://${host}:${port}`, '--genesis', genesis];
  const names = ['ada', 'bob', 'eve'];
  await Promise.all(names.map((name) => grid.must('bot', 'init', name, ...place)));
  await grid.wallet('ada', 'currency', 'create', 'TFT', '--decimals', '2');
  await grid.wallet('ada', 'send', 'bob', '100', 'TFT');

  const { id = '' } = await grid.wallet('ada', 'account', 'make', 'house', '--signer', 'bob');
  await grid.wallet('bob', 'send', id, '40', 'TFT');
  const [order, words] = [join(folder, 'order.json'), join(folder, 'words.json')];
  const rent = ['send', 'eve', '15', 'TFT', '--from', id, '--order', order, '--memo', 'rent'];
  await grid.wallet('bob', ...rent);
  await writeFile(words, '{"schema":"grid.wallet.order.1"}');
  const early = await Promise.all([
    grid.refusal('bob', 'submit', order),
    grid.refusal('ada', 'consent', order),
    grid.refusal('eve', 'consent', words, '--yes'),
  ]);
  const why = [/ACCOUNT_CONSENT_MISSING/, /GRID_USAGE/, /GRID_FILE_UNREADABLE/];
  for (const [at, code] of why.entries()) assert.match(early[at] ?? '', code);
  await grid.wallet('ada', 'consent', order, '--yes');
  await grid.wallet('bob', 'submit', order);
  const shared = await grid.wallet('bob', 'account', 'show', id);
  assert.deepEqual(
    shared.balances?.map(({ shown }) => shown),
    ['25.00'],
  );
  const { lines } = await grid.wallet('ada', 'statement', '--account', id);
  assert.deepEqual(
    lines?.map(({ amount }) => amount),
    ['4000', '-1500'],
  );
  assert.match(await grid.refusal('eve', 'balance', '--account', id), /WALLET_ACCOUNT_UNSEEN/);

  // Eve comes to it, and sees all of it; one of three is enough from then on.
  const joining = join(folder, 'joining.json');
  const change = ['account', 'change', id, '--add', 'eve', '--min', '1', '--order', joining];
  assert.match(await grid.refusal('bob', ...change, '--remove', 'ada', 'bob', 'eve'), /GRID_USAGE/);
  assert.match(await grid.refusal('eve', ...change), /GRID_ACCOUNT_UNKNOWN/);
  await grid.wallet('bob', ...change);
  await grid.wallet('ada', 'consent', joining, '--yes');
  await grid.wallet('bob', 'submit', joining);
  const later = await grid.wallet('eve', 'statement', '--account', id);
  assert.deepEqual(later.lines, lines);
  await grid.wallet('eve', 'account', 'change', id, '--remove', 'bob');
  assert.match(await grid.refusal('bob', 'balance', '--account', id), /WALLET_ACCOUNT_UNSEEN/);
  assert.equal((await grid.wallet('ada', 'account', 'show', id)).revision, 3);

  const secret = join(folder, 'secret');
  const { hash = '' } = await grid.run('wallet', 'preimage', secret);
  const until = ['--until', new Date(Date.now() + 3_600_000).toISOString()];
  const sale = ['send', 'eve', '5', 'TFT', '--hash-lock', hash, ...until, '--key', 'sale'];
  const { transfer = '' } = await grid.wallet('bob', ...sale);
  assert.match(await grid.refusal('bob', 'take-back', transfer), /SETTLEMENT_EARLY/);
  await grid.wallet('eve', 'claim', transfer, secret);
  const eve = await grid.wallet('eve', 'balance');
  assert.deepEqual(
    eve.balances?.map(({ shown }) => shown),
    ['20.00'],
  );

  const [lock, contract] = [fakeId.lock(1), fakeId.contract(1)];
  const seconds = ['--since', '2026-03-01T10:00:00Z', '--until', '2026-03-01T11:00:00Z'];
  const none = await Promise.all([
    grid.refusal('ada', 'object', lock, ...seconds),
    grid.refusal('ada', 'decide', lock, 'x', 'pay'),
    grid.refusal('bob', 'give-back', lock),
    grid.refusal('eve', 'allowance', contract, '1', 'TFT'),
  ]);
  const codes = [
    /WALLET_LOCK_UNKNOWN/,
    /WALLET_OBJECTION_UNKNOWN/,
    /no grid.lock.1/,
    /no grid.contract.1/,
  ];
  for (const [at, code] of codes.entries()) assert.match(none[at] ?? '', code);
});
