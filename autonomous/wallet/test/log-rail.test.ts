import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { BcdbServer, systemUrls } from '@commongrid/bcdb';
import type { Bcdb } from '@commongrid/bcdb';
import { BcdbClient, HttpLightSource } from '@commongrid/bcdb/client';
import { SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { botIdOf, keyProof, keyProofDomain, recordTypes } from '@commongrid/model';
import type { BotId, SharedAccountId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import { LogRail } from '../src/log-rail.ts';
import { Wallet } from '../src/wallet.ts';

const currency = 'TFT';

test('wallets over a real database pay once, together where an account asks for it, and add up', async () => {
  await using folder = await tempFolder('wallet');
  await using server = await BcdbServer.open({
    ...{ dataDir: join(folder.path, 'bcdb'), owner: SigningKey.generate() },
    ...{ http: { host: '127.0.0.1', port: 0 }, beforeDoors: makeNamespaces },
  });
  await using stack = new AsyncDisposableStack();
  const wallets = [];
  for (const name of ['mint', 'ada', 'bob'])
    wallets.push(await open(server, folder.path, name, stack));
  const [mint, ada, bob] = wallets;
  assert.ok(mint !== undefined && ada !== undefined && bob !== undefined);
  await mint.wallet.issue({
    ...{ code: currency, name: 'Token of the farm', decimals: 7, issuer: mint.bot },
    maxSupply: fakeId.amount(1000),
  });
  const pay = (key: string, amount: bigint) =>
    mint.wallet.transfer({ key, to: ada.bot, amount, currency, memo: 'wages' });
  const id = await pay('march', 300n);
  assert.equal(await pay('march', 300n), id, 'the same order again');
  await assert.rejects(pay('march', 301n), { code: 'WALLET_KEY_REUSED' });
  await assert.rejects(pay('april', 701n), isRule('CURRENCY_SUPPLY'));
  assert.deepEqual(await ada.wallet.balances(), [{ currency, amount: 300n }]);
  assert.deepEqual(await mint.wallet.balances(), [{ currency, amount: -300n }]);

  // Both sign before money of their account moves.
  const account: SharedAccountId = fakeId.account(1);
  const shared = {
    ...{ id: account, name: 'Two of us', revision: 1, min: 2 },
    signers: [ada.bot, bob.bot],
  };
  await ada.wallet.submit({ url: 'grid.account.1', value: shared });
  await ada.wallet.transfer({ key: 'save', to: account, amount: 100n, currency });
  const order = { key: 'gift', from: account, to: bob.bot, amount: 40n, currency };
  const gift = await ada.wallet.prepareTransfer(order);
  await assert.rejects(ada.wallet.submit(gift), isRule('ACCOUNT_CONSENT_MISSING'));
  await bob.wallet.consent(gift);
  await ada.wallet.submit(gift);
  await ada.wallet.submit(gift);
  const own = await ada.wallet.prepareTransfer({ ...order, from: ada.bot });
  await assert.rejects(bob.wallet.consent(own), { code: 'WALLET_ACCOUNT_ALONE' });

  // Signers are told of everything, those who came later too; others are not.
  const rest = [{ currency, amount: 60n }];
  for (const { wallet } of [ada, bob]) assert.deepEqual(await wallet.balances(account), rest);
  assert.deepEqual(await bob.wallet.accounts(), [shared]);
  await assert.rejects(mint.wallet.balances(account), { code: 'WALLET_ACCOUNT_UNSEEN' });
  const three = { ...shared, revision: 2, signers: [ada.bot, bob.bot, mint.bot].toSorted() };
  const change = { url: 'grid.account.1', value: three } as const;
  await bob.wallet.consent(change);
  await ada.wallet.submit(change);
  assert.deepEqual(await mint.wallet.accounts(), [three]);
  assert.deepEqual(await mint.wallet.balances(account), rest);
  const movements = async ({ wallet }: typeof mint) =>
    (await wallet.statement(account)).map(({ amount }) => amount);
  assert.deepEqual(await movements(mint), ['100', '-40']);
  assert.deepEqual(await movements(ada), ['100', '-40']);
  // Who has left is told nothing more.
  const two = { ...three, revision: 3, signers: [ada.bot, mint.bot].toSorted() };
  const farewell = { url: 'grid.account.1', value: two } as const;
  await mint.wallet.consent(farewell);
  await ada.wallet.submit(farewell);
  await assert.rejects(bob.wallet.balances(account), { code: 'WALLET_ACCOUNT_UNSEEN' });
  assert.deepEqual(await mint.wallet.balances(account), rest);
  assert.deepEqual(await bob.wallet.balances(), [{ currency, amount: 40n }]);
  const statement = await ada.wallet.statement();
  assert.deepEqual(
    statement.map(({ amount, balance, memo }) => [amount, balance, memo]),
    [
      ['300', '300', 'wages'],
      ['-100', '200', ''],
    ],
  );
  await assert.rejects(ada.wallet.fund({ lock: fakeId.lock(1) }), { code: 'WALLET_LOCK_UNKNOWN' });
  assert.deepEqual(await ada.wallet.settle(), []);
});

function isRule(rule: string): (error: unknown) => boolean {
  return (error) => isGridError(error, 'BCDB_RULE_BROKEN') && error.details['rule'] === rule;
}

async function makeNamespaces(bcdb: Bcdb): Promise<void> {
  const grants = [
    { to: bcdb.owner, rights: ['admin'] },
    { to: 'anyone', rights: ['read', 'write'] },
  ];
  for (const ns of ['grid', 'wallet']) {
    const name = { ns, url: systemUrls.namespace, obj: 'namespace' };
    await bcdb.write({ ...name, op: 'put', value: { grants, validator: `${ns}@1` } });
  }
  for (const [url, { namespace, schema }] of recordTypes) {
    if (namespace === 'user') continue;
    await bcdb.defineSchema(namespace, url, JSON.parse(JSON.stringify(schema)) as JsonValue);
  }
}

/** A bot with one device, and its wallet. */
async function open(
  server: BcdbServer,
  folder: string,
  name: string,
  stack: AsyncDisposableStack,
): Promise<{ readonly bot: BotId; readonly rail: LogRail; readonly wallet: Wallet }> {
  const { host, port } = server.httpAddress;
  const url = `http://${host}:${port}`;
  const { log, genesis } = server.bcdb;
  const trust = { log, sequencerKey: genesis.sequencer };
  const [root, key] = [SigningKey.generate(), SigningKey.generate()];
  const bot = botIdOf(root.publicKey.text);
  const prove = (one: SigningKey): string =>
    one
      .sign(keyProofDomain, keyProof(log, bot))
      .toBase64({ alphabet: 'base64url', omitPadding: true });
  const founder = await BcdbClient.connect({ url, trust, key: root });
  await founder.write({
    ...{ ns: 'grid', op: 'put', url: 'grid.bot.1', obj: bot },
    value: {
      ...{ id: bot, name, root: root.publicKey.text, rootProof: prove(root) },
      ...{ seal: fakeId.seal(1), addresses: [] },
      keys: [{ key: key.publicKey.text, role: 'device', proof: prove(key) }],
    },
  });
  const rail = stack.use(
    await LogRail.open({
      ...{ folder: join(folder, name), trust, bot, releaseKeys: genesis.releaseKeys },
      client: await BcdbClient.connect({ url, trust, key }),
      source: new HttpLightSource({ url, log, key }),
    }),
  );
  return { bot, rail, wallet: new Wallet(rail) };
}
