import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { waitFor, writeFileAtomic } from '@commongrid/base';
import { systemUrls } from '@commongrid/bcdb';
import { BcdbClient, HeartbeatSender } from '@commongrid/bcdb/client';
import { SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { approvalHash, draftContract, nodeIdOf, recordTypes } from '@commongrid/model';
import type {
  BotId,
  ContractId,
  Farm,
  FarmId,
  KeyText,
  Lock,
  LockId,
  NodeId,
  Resources,
} from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import type { LockWish } from '@commongrid/contract';
import { Grid } from './grid.ts';
import type { Self } from './grid.ts';

const gib = 2 ** 30;

/** What a node of a farmer has. */
export const nodeCapacity = {
  ...{ cpuMilli: 8_000, memoryBytes: 16 * gib, ssdBytes: 600 * gib, hddBytes: 0 },
};

/** One cloud unit of compute, one of storage. */
export const small: Resources = {
  ...{ cpuMilli: 2_000, memoryBytes: 4 * gib, ssdBytes: 300 * gib, hddBytes: 0, ipv4: 0 },
};

/** Of the farm: an hour of `small` is 1,400. */
export const prices = {
  ...{ currency: 'EUR', unitHours: 1, cu: fakeId.amount(1_000), su: fakeId.amount(400) },
} satisfies Farm['prices'];

const dayMs = 86_400_000;

/**
 * A database, farmers with one farm and nodes that live, and buyers. A key has one writer: what is said
 * with that of a bot is said before the bot runs.
 */
export class MarketScene {
  readonly grid: Grid;
  readonly #stack = new AsyncDisposableStack();

  private constructor(grid: Grid) {
    this.grid = grid;
  }

  static async open(t: TestContext): Promise<MarketScene> {
    const grid = await Grid.open(t);
    const scene = new MarketScene(grid);
    t.after(() => scene.#stack.disposeAsync());
    const { bcdb } = grid;
    const grants = [
      { to: bcdb.owner, rights: ['admin'] },
      { to: 'anyone', rights: ['read', 'write'] },
    ];
    const name = { ns: 'wallet', url: systemUrls.namespace, obj: 'namespace' };
    await bcdb.write({ ...name, op: 'put', value: { grants, validator: 'wallet@1' } });
    for (const [url, { namespace, schema }] of recordTypes) {
      if (namespace === 'user' || url === 'grid.bot.1') continue;
      await bcdb.defineSchema(namespace, url, JSON.parse(JSON.stringify(schema)) as JsonValue);
    }
    return scene;
  }

  client(key: SigningKey): Promise<BcdbClient> {
    return BcdbClient.connect({ url: this.grid.url, trust: this.grid.trust, key });
  }

  /** A farm of a bot with one node that is alive. */
  async farmOf(
    { id: owner, device }: Self,
    change: Partial<Farm> = {},
  ): Promise<{ readonly farm: FarmId; readonly node: NodeId }> {
    const farmer = await this.client(device);
    const farm = `farm:${randomBytes(16).toString('base64url')}` as FarmId;
    const value = { ...examples['grid.farm.1'], id: farm, owner: owner as BotId, publicIps: [] };
    await put(farmer, 'grid.farm.1', farm, { ...value, prices, ...change });
    return { farm, node: await this.nodeIn(farm, farmer) };
  }

  async nodeIn(farm: FarmId, farmer: BcdbClient): Promise<NodeId> {
    const key = SigningKey.generate();
    const client = await this.client(key);
    const id = nodeIdOf(key.publicKey.text);
    const node = { ...examples['grid.node.1'], id, farm, capacity: nodeCapacity };
    await put(client, 'grid.node.1', id, { ...node, name: `n${randomBytes(4).toString('hex')}` });
    const bootId = randomBytes(16).toString('base64url');
    await put(client, 'grid.session.1', `${id}/${bootId}`, { node: id, n: 1, bootId });
    await put(farmer, 'grid.adoption.1', id, { node: id, farm, standing: 'active' });
    this.#stack.use(
      new HeartbeatSender({
        ...{ url: this.grid.url, log: this.grid.trust.log, node: id, key, session: 1 },
        ...{ boot: bootId, checkpoint: () => client.lastHead, everyMs: 300 },
      }),
    );
    const isAlive = async (): Promise<boolean> => {
      const alive = await client.read<{ nodes: { node: string }[] }>(
        '/v1/presence?standing=alive&limit=1000',
      );
      return alive.nodes.some((one) => one.node === id);
    };
    await waitFor(isAlive, { timeoutMs: 60_000, everyMs: 50, what: 'a heartbeat' });
    return id;
  }

  /** A key of nobody. */
  readonly reader = SigningKey.generate();

  /** A node that is in no farm. */
  readonly otherNode = fakeId.node(77);

  /** A contract of a buyer, in the log, with a budget. */
  async contractOf({ id: owner, device }: Self, name = 'shop'): Promise<ContractId> {
    const rich = fakeId.amount(10_000_000);
    const draft = draftContract({
      ...{ log: this.grid.trust.log, name, owner: owner as BotId, secrets: new Map() },
      controller: device.publicKey.text as KeyText,
      roles: [examples['grid.slice.1'].opening.role],
      term: { fromMs: 0, untilMs: Date.now() + 100 * dayMs, graceMs: 0 },
      draw: (count) => randomBytes(count),
      terms: { budget: { currency: 'EUR', perMonth: rich, total: rich } },
    });
    const client = await this.client(device);
    await put(client, 'grid.contract.1', draft.id, draft.header);
    return draft.id;
  }

  /** The buyer agrees to his contract, and pays for a lock in a currency that he issues himself. */
  async pay({ id, device }: Self, contract: ContractId, lock: LockId): Promise<void> {
    const client = await this.client(device);
    const hash = approvalHash({ log: this.grid.trust.log, action: 'provision', contract });
    const expMs = Date.now() + dayMs;
    const approval = { contract, signer: id, role: 'owner', action: 'provision', hash, expMs };
    await put(client, 'grid.approval.1', `${id}/${hash}`, { ...approval, verdict: 'approve' });
    const currency = { code: 'EUR', name: 'Own money', decimals: 2, issuer: id };
    await put(client, 'grid.currency.1', 'EUR', currency, 'wallet');
    const { minFund: amount } = await this.lock(lock);
    const escrow = { lock, contract, from: id, amount, currency: 'EUR', expMs };
    await put(client, 'grid.escrow.1', lock, escrow, 'wallet');
  }

  /** A lock of the log. */
  async lock(id: string): Promise<Lock> {
    const client = await this.client(this.reader);
    const { value } = await client.prove('grid', 'grid.lock.1', id);
    return value as unknown as Lock;
  }

  /** Writes the rules of a farmer. */
  rules({ name }: Self, rules: object): Promise<void> {
    const text = JSON.stringify({ schema: 'grid.farmer.1', ...rules });
    return writeFileAtomic(join(this.grid.folder, name, 'farmer.json'), text);
  }

  wish(
    buyer: Self,
    farmer: Self,
    { contract, node }: { readonly contract: ContractId; readonly node: NodeId },
    change: Partial<LockWish> = {},
  ): LockWish {
    return {
      ...{ contract, node, buyer: buyer.id as BotId, farmer: farmer.id as BotId },
      ...{ slot: { role: 'shard', replica: 0 }, resources: small, currency: 'EUR' },
      ...{ perMonthMax: 10_000_000n, untilMs: Date.now() + 10 * dayMs },
      ...change,
    };
  }
}

async function put(
  client: BcdbClient,
  url: string,
  obj: string,
  value: object,
  ns = 'grid',
): Promise<void> {
  await client.write({ ns, op: 'put', url, obj, value: { ...value } });
}
