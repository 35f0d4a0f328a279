import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';

import { systemRandom, waitFor } from '@commongrid/base';
import { BcdbClient, HttpLightSource } from '@commongrid/bcdb/client';
import { rootKeyFromWords, SealingKey, SigningKey } from '@commongrid/crypto';
import {
  approvalHash,
  botIdOf,
  draftContract,
  nodeIdOf,
  sealSlice,
  sliceHash,
} from '@commongrid/model';
import type {
  Amount,
  ContractRole,
  FarmId,
  GridFold,
  KeyText,
  LeaseName,
  LockId,
  Receipt,
} from '@commongrid/model';
import { NodeAgent } from '@commongrid/node';
import { PaperDriver, PaperMachine } from '@commongrid/node/testing';
import { LogRail, SettleService, Wallet } from '@commongrid/wallet';

import { newBot } from '../src/bot-record.ts';
import { GridHome } from '../src/home.ts';
import { readKeyFile } from '../src/key-file.ts';
import { BcdbSource } from '../src/node/bcdb-source.ts';
import { makeFarm, openGrid } from './fixtures/owned-place.ts';
import type { OpenGrid } from './fixtures/owned-place.ts';

const within = { timeoutMs: 60_000, everyMs: 200 };
const lock = `lock:${randomBytes(16).toString('base64url')}` as LockId;
/** Due for each healthy second, smallest units. */
const price = 10n;
const currency = 'EUR';

test('a node tells of what is paid for, over a restart of its agent, and its farmer is paid for that', async () => {
  await using place = await openGrid();
  await using stack = new AsyncDisposableStack();
  const { client, trust, grid } = place;
  const ownerKey = await readKeyFile(new GridHome(join(place.path, 'home')).ownerKeyFile);
  const ada = { id: grid.owner, key: ownerKey, client };
  const farmer = await walletOf(place, ada, stack);
  const bob = await makeBuyer(place);
  const buyer = await walletOf(place, bob, stack);
  await farmer.wallet.issue({
    ...{ code: currency, name: 'Euro', decimals: 2, issuer: grid.owner },
  });
  await farmer.wallet.transfer({ key: 'pocket', to: bob.id, amount: 1_000_000n, currency });

  const farm = await makeFarm(place, 'cellar');
  const key = SigningKey.generate();
  const machine = new PaperMachine();
  const agentOf = () => openAgent(place, farm, key, machine);
  let agent = await agentOf();
  stack.defer(() => agent.close());
  const { id: node } = agent;
  await waitFor(() => isThere(place, 'grid.node.1', node), { ...within, what: 'the node' });
  await place.put('grid.adoption.1', node, { node, farm, standing: 'active' });

  const { at } = await buyer.rail.sync();
  const draft = draftOf(trust.log, bob, at);
  const workload = await rent(place, bob, { draft, node, key, at, wallet: buyer.wallet });
  const phase = () => agent.state.workload(workload)?.phase;
  await waitFor(() => phase() === 'running', { ...within, what: 'it to run' });
  const receipts = async (): Promise<readonly Receipt[]> => {
    const { fold } = await farmer.rail.sync();
    return (
      fold.money('escrow', lock)?.receipts.map(([fromMs, toMs, healthySeconds]) => {
        return { fromMs, toMs, healthySeconds } as Receipt;
      }) ?? []
    );
  };
  await waitFor(async () => (await receipts()).length >= 2, { ...within, what: 'receipts' });
  // The agent ends, and what it looked after goes on.
  await agent.close();
  agent = await agentOf();
  const known = (await receipts()).length;
  await waitFor(async () => (await receipts()).length >= known + 2, {
    ...{ ...within, what: 'more receipts' },
  });
  const told = await receipts();
  for (const [n, { fromMs, toMs, healthySeconds }] of told.entries()) {
    const before = told[n - 1];
    if (before !== undefined) assert.equal(fromMs, before.toMs, 'nothing is left out');
    assert.ok(healthySeconds * 1000 <= toMs - fromMs);
  }
  const [first, last] = [told[0], told.at(-1)];
  const spanMs = (last?.toMs ?? 0) - (first?.fromMs ?? 0);
  const all = told.reduce((sum, one) => sum + one.healthySeconds, 0);
  // It ran all the time, but for its start; what the node knows of log time comes in seconds.
  assert.ok(all * 1000 >= spanMs - 3_000, `${all} s of ${spanMs} ms`);

  await bob.put('grid.placement.1', draft.id, {
    ...{ contract: draft.id, revision: 2, lease: draft.id, fence: 1, items: [] },
    ...{ reason: 'remove', expMs: at + 600_000 },
  });
  await waitFor(() => phase() === 'stopped', { ...within, what: 'it to stop' });
  await using settling = new SettleService({
    wallet: farmer.wallet,
    news: (signal) => farmer.rail.news(signal),
    everyMs: 1_000,
  });
  const paid = async (): Promise<bigint> => releasedOf((await farmer.rail.sync()).fold);
  await waitFor(async () => (await paid()) > 0n, { ...within, what: 'pay' });
  assert.ok(settling.status.settledCount > 0);
  const escrow = (await farmer.rail.sync()).fold.money('escrow', lock);
  assert.equal(escrow?.released, String(BigInt(escrow?.paidSeconds ?? 0) * price));
});

function releasedOf(fold: GridFold): bigint {
  return BigInt(fold.money('escrow', lock)?.released ?? 0);
}

async function isThere({ client }: OpenGrid, type: string, obj: string): Promise<boolean> {
  return client.get('grid', type, obj).then(
    () => true,
    () => false,
  );
}

/** A bot with one device and no money, as `client` signs for it. */
async function makeBuyer({ trust, url }: OpenGrid) {
  const words = 'abandon '.repeat(23) + 'art';
  const [root, key] = [rootKeyFromWords(words), SigningKey.generate()];
  const founder = await BcdbClient.connect({ url, trust, key: root });
  const value = newBot(words, root, { name: 'bob', device: key, log: trust.log });
  const put = (client: BcdbClient, type: string, obj: string, one: object) =>
    client.write({ ns: 'grid', op: 'put', url: type, obj, value: { ...one } });
  await put(founder, 'grid.bot.1', value.id, value);
  const client = await BcdbClient.connect({ url, trust, key });
  return {
    ...{ id: botIdOf(root.publicKey.text), key, client },
    put: (type: string, obj: string, one: object) => put(client, type, obj, one),
  };
}

type Buyer = Awaited<ReturnType<typeof makeBuyer>>;

async function walletOf(
  { trust, url, path }: OpenGrid,
  { id: bot, key, client }: Pick<Buyer, 'id' | 'key' | 'client'>,
  stack: AsyncDisposableStack,
) {
  const source = new HttpLightSource({ url, log: trust.log, key });
  const folder = join(path, bot.slice(4, 12));
  const rail = stack.use(
    await LogRail.open({ folder, trust, bot, releaseKeys: [], client, source }),
  );
  return { rail, wallet: new Wallet(rail) };
}

function openAgent(
  { trust, url, path }: OpenGrid,
  farm: FarmId,
  key: SigningKey,
  machine: PaperMachine,
): Promise<NodeAgent> {
  const room = { cpuMilli: 4_000, memoryBytes: 2 ** 32, ssdBytes: 2 ** 32, hddBytes: 0 };
  const open = async (): Promise<NodeAgent> =>
    NodeAgent.open({
      ...{ folder: join(path, 'node'), key, releaseKeys: [], receiptsEveryMs: 1_000 },
      source: await BcdbSource.open({ folder: join(path, 'feed'), url, trust, key }),
      facts: { farm, name: 'shelf', capacity: room, features: [], addresses: [] },
      capacity: { ...room, pids: 1_000 },
      openMachine: async () => ({
        drivers: new Map([['container', new PaperDriver(machine)]]),
        [Symbol.asyncDispose]: async () => {},
      }),
      bootId: 'A'.repeat(22),
    });
  return open();
}

function draftOf(log: string, { id: owner, key }: Buyer, at: number) {
  const role: ContractRole = {
    ...{ name: 'web', replicas: 1, networks: [], after: [], data: 'none', onIsolation: 'keep' },
    restart: { policy: 'always', delayMs: 200, delayMaxMs: 1_000 },
    spread: { distinctNodes: false },
    resources: { cpuMilli: 500, memoryBytes: 2 ** 26, ssdBytes: 2 ** 26, hddBytes: 0, ipv4: 0 },
    workload: {
      kind: 'container',
      container: {
        ...{ flist: '0'.repeat(64) as never, env: [], secretEnv: [], ports: [] },
        ...{ rootBytes: 2 ** 25, isReadOnly: false, exec: 'any', pids: 64, volumes: [] },
        ...{ files: [], logs: [], stop: { signal: 'SIGTERM', graceSeconds: 1 } },
      },
    },
  };
  return draftContract({
    ...{ log, name: 'web', owner, roles: [role], secrets: new Map() },
    controller: key.publicKey.text as KeyText,
    term: { fromMs: 0, untilMs: at + 3_600_000, graceMs: 0 },
    draw: (count) => systemRandom.bytes(count),
    terms: {
      budget: { currency, perMonth: '100000000' as Amount, total: '100000000' as Amount },
    },
  });
}

interface Rent {
  readonly draft: ReturnType<typeof draftOf>;
  readonly node: ReturnType<typeof nodeIdOf>;
  readonly key: SigningKey;
  readonly at: number;
  readonly wallet: Wallet;
}

/** Locked, agreed to, paid and placed. @returns the workload */
async function rent({ put, grid, trust }: OpenGrid, bob: Buyer, order: Rent) {
  const { draft, node, key, at, wallet } = order;
  const contract = draft.id;
  const [opening] = draft.openings;
  assert.ok(opening !== undefined);
  const expMs = at + 600_000;
  await bob.put('grid.contract.1', contract, draft.header);
  const hash = approvalHash({ log: trust.log, contract, action: 'provision' });
  await bob.put('grid.approval.1', `${bob.id}/${hash}`, {
    ...{ contract, signer: bob.id, role: 'owner', action: 'provision', hash, expMs },
    verdict: 'approve',
  });
  const lease = contract as string as LeaseName;
  const holder = bob.key.publicKey.text;
  await bob.put('grid.lease.1', lease, { name: lease, holder, fence: 1, ttlMs: 60_000 });
  await put('grid.lock.1', lock, {
    ...{ id: lock, contract, node, farmer: grid.owner, buyer: bob.id, disputeMs: 0 },
    ...{ slot: { role: 'web', replica: 0 }, resources: opening.role.resources },
    price: { amount: String(price), currency, perSeconds: 1 },
    ...{ minFund: '100', onDispute: 'pay', expiresMs: at + 500_000 },
  });
  await wallet.fund({ lock, amount: 500_000n });
  const seal = SealingKey.derive(key.exportSeed()).publicKey.text as never;
  const slice = await sealSlice(draft, opening, {
    ...{ node: { id: node, seal }, replica: 0, revision: 1 },
  });
  await bob.put('grid.slice.1', `${node}/${slice.workload}`, slice);
  const item = { role: 'web', replica: 0, node, lock, slice: sliceHash(slice) };
  await bob.put('grid.placement.1', contract, {
    ...{ contract, revision: 1, lease, fence: 1, items: [item], reason: 'initial', expMs },
  });
  return slice.workload;
}
