import { seededRandom, waitFor } from '@commongrid/base';
import { canonicalBytes, SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { botIdOf, keyProof, nodeIdOf, recordTypes } from '@commongrid/model';
import type {
  BotId,
  ContractId,
  FarmId,
  KeyText,
  LockId,
  NodeId,
  RecordOf,
  RecordUrl,
} from '@commongrid/model';
import { DeploymentPlan, examples, fakeId } from '@commongrid/model/testing';
import type { Bcdb } from '../bcdb.ts';
import { checkRecord } from '../record/checked-record.ts';
import { RecordAuthor } from '../record/record-author.ts';
import { systemUrls } from '../record/system-records.ts';
import type { FeedsRequest } from '../feeds/feeds-reply.ts';
import type { LightSource } from '../follow/light-source.ts';
import type { Receipt } from '../sequencer/sequencer.ts';
import { seenFor } from '../state/validator.ts';

/** Domain of proofs that a key belongs to a bot. */
const proofDomain = 'commongrid/key/1';

/** A bot of the town with its keys. */
export interface Citizen {
  readonly id: BotId;
  readonly name: string;
  readonly root: SigningKey;
  readonly device: SigningKey;
}

/** A node with its key. */
export interface Machine {
  readonly id: NodeId;
  readonly key: SigningKey;
}

/** A database with the namespace of the grid, in which keys say what they like, as far as rules go. */
export class Town {
  readonly bcdb: Bcdb;
  readonly #authors = new Map<string, RecordAuthor<Receipt>>();
  readonly #plans = new Map<ContractId, { readonly plan: DeploymentPlan; owner: Citizen }>();
  readonly #farmers = new Map<NodeId, Citizen>();
  /** Newest locks, by contract, node and replica. */
  readonly #locks = new Map<string, LockId>();

  private constructor(bcdb: Bcdb) {
    this.bcdb = bcdb;
  }

  /** Founds the grid in a new database. */
  static async found(bcdb: Bcdb): Promise<Town> {
    const grants = [
      { to: bcdb.owner, rights: ['admin'] },
      { to: 'anyone', rights: ['write'] },
    ];
    const namespace = { url: 'bcdb.namespace.1', obj: 'namespace' } as const;
    for (const ns of ['grid', 'wallet']) {
      const value = { grants, validator: `${ns}@1` };
      await bcdb.write({ ns, op: 'put', ...namespace, value });
    }
    const types = [...recordTypes].filter(([, { namespace: ns }]) => ns !== 'user');
    await Promise.all(
      types.map(([url, { namespace: ns, schema }]) =>
        bcdb.defineSchema(ns, url, JSON.parse(JSON.stringify(schema)) as JsonValue),
      ),
    );
    return new Town(bcdb);
  }

  /** A record of the grid under the id that its payload says. */
  put<Url extends RecordUrl>(
    url: Url,
    key: SigningKey,
    value: RecordOf<Url>,
    id = '',
  ): Promise<Receipt> {
    return this.say(url, key, recordTypes.get(url)?.objectOf(value) ?? id, value);
  }

  /** Any record of the namespace of its type; of the grid's where it is nobody's. */
  async say(url: string, key: SigningKey, obj: string, value: JsonValue): Promise<Receipt> {
    const ns = recordTypes.get(url)?.namespace ?? 'grid';
    const statement = {
      ns,
      op: 'put',
      url,
      obj,
      schema: this.bcdb.schemaOf(ns, url),
      payload: canonicalBytes(value),
    } as const;
    return (await this.#authorOf(key).write(statement)).receipt;
  }

  async citizen(name: string): Promise<Citizen> {
    const [root, device] = [keyOf(`${name} root`), keyOf(`${name} device`)];
    const citizen = { id: botIdOf(root.publicKey.text), name, root, device };
    await this.put('grid.bot.1', root, this.botOf(citizen));
    return citizen;
  }

  /** The record of a citizen, with the keys that it has besides. */
  botOf(citizen: Citizen, extra: readonly SigningKey[] = []): RecordOf<'grid.bot.1'> {
    const { id, name, root, device } = citizen;
    const prove = (key: SigningKey): string =>
      key
        .sign(proofDomain, keyProof(this.bcdb.log, id))
        .toBase64({ alphabet: 'base64url', omitPadding: true });
    return {
      ...{ id, name, root: text(root), rootProof: prove(root), seal: fakeId.seal(1) },
      keys: [device, ...extra].map((key) => ({
        ...{ key: text(key), role: 'device', proof: prove(key) },
      })),
      addresses: [],
    };
  }

  async farm(owner: Citizen, n: number): Promise<FarmId> {
    const id = fakeId.farm(n);
    await this.put('grid.farm.1', owner.device, this.farmOf(owner, id, n));
    return id;
  }

  farmOf(owner: Citizen, id: FarmId, n: number): RecordOf<'grid.farm.1'> {
    return { ...examples['grid.farm.1'], id, owner: owner.id, name: `farm-${n}` };
  }

  async node(owner: Citizen, farm: FarmId, name: string): Promise<Machine> {
    const key = keyOf(name);
    const id = nodeIdOf(key.publicKey.text);
    await this.put('grid.node.1', key, { ...examples['grid.node.1'], id, farm });
    await this.put('grid.adoption.1', owner.device, { node: id, farm, standing: 'active' });
    this.#farmers.set(id, owner);
    return { id, key };
  }

  /** A contract that its owner and the first signer agree to; the owner's device has the lease. */
  async contract(owner: Citizen, signers: readonly Citizen[], n: number): Promise<ContractId> {
    const plan = new DeploymentPlan({
      ...{ log: this.bcdb.log, owner: owner.id, controller: text(owner.device), at: this.bcdb.at },
      signers: signers.map(({ id }) => id),
      header: { nonce: fakeId.hash(n), heal },
    });
    this.#plans.set(plan.id, { plan, owner });
    await this.put('grid.contract.1', owner.device, plan.header);
    for (const who of new Set([owner, ...signers.slice(0, 1)])) {
      const role = signers.includes(who) ? 'people' : 'owner';
      await this.put('grid.approval.1', who.device, plan.approval(who.id, { role }));
    }
    await this.put('grid.lease.1', owner.device, plan.lease(1));
    return plan.id;
  }

  planOf(contract: ContractId): { readonly plan: DeploymentPlan; readonly owner: Citizen } {
    const known = this.#plans.get(contract);
    if (known === undefined) throw new Error(`the town has no ${contract}`);
    return known;
  }

  /** Who owns the farm of a node. */
  farmerOf(node: NodeId): Citizen {
    const farmer = this.#farmers.get(node);
    if (farmer === undefined) throw new Error(`the town has no ${node}`);
    return farmer;
  }

  /** A lock that costs nothing, and is paid for. */
  async lock(
    farmer: Citizen,
    buyer: Citizen,
    contract: ContractId,
    node: NodeId,
    n: number,
    replica = 0,
  ): Promise<void> {
    const { arbiter: _arbiter, ...example } = examples['grid.lock.1'];
    await this.put('grid.lock.1', farmer.device, {
      ...{ ...example, slot: { role: 'shard', replica } },
      ...{ id: fakeId.lock(n), contract, node, farmer: farmer.id, buyer: buyer.id },
      ...{ price: { ...example.price, amount: fakeId.amount(0) }, minFund: fakeId.amount(0) },
      expiresMs: this.bcdb.at + 600_000,
    });
    const { currency } = example.price;
    await this.put('grid.escrow.1', buyer.device, {
      ...{ lock: fakeId.lock(n), contract, from: buyer.id, currency, amount: fakeId.amount(0) },
      expMs: this.bcdb.at + 600_000,
    });
    this.#locks.set(`${contract} ${node} ${replica}`, fakeId.lock(n));
  }

  slice(controller: Citizen, contract: ContractId, node: NodeId, replica: number, revision = 1) {
    const { plan } = this.planOf(contract);
    return this.put('grid.slice.1', controller.device, plan.slice(replica, node, revision));
  }

  /** Replica by replica, where it is; what is where it was stays as it was. */
  place(controller: Citizen, contract: ContractId, nodes: readonly NodeId[], revision = 1) {
    const { plan } = this.planOf(contract);
    const former = this.#current('grid.placement.1', contract)?.items ?? [];
    const fence = this.#current('grid.lease.1', contract)?.fence ?? 0;
    const placement = plan.placement(revision, nodes, { fence });
    const items = placement.items.map((item) => {
      const { replica, node } = item;
      const lock = this.#locks.get(`${contract} ${node} ${replica}`);
      const same = former.find((one) => one.replica === replica && one.node === node);
      return same ?? { ...item, ...(lock === undefined ? {} : { lock }) };
    });
    return this.put('grid.placement.1', controller.device, { ...placement, items });
  }

  /** The revision that a contract has. */
  revisionOf(contract: ContractId): number {
    return this.#current('grid.placement.1', contract)?.revision ?? 0;
  }

  /** Event number `n` of a workload in its first revision. */
  event({ id, key }: Machine, contract: ContractId, replica: number, n = 1) {
    return this.put('grid.event.1', key, {
      ...{ node: id, workload: fakeId.workload(contract, 'shard', replica), revision: 1 },
      ...{ phase: 'running', at: n },
    });
  }

  #current<Url extends RecordUrl>(url: Url, obj: string): RecordOf<Url> | undefined {
    return this.bcdb.state.document<RecordOf<Url>>({ ns: 'grid', url, obj })?.value;
  }

  #authorOf(key: SigningKey): RecordAuthor<Receipt> {
    const { text: name } = key.publicKey;
    let author = this.#authors.get(name);
    if (author === undefined) {
      author = new RecordAuthor<Receipt>({
        key,
        log: this.bcdb.log,
        lastN: () => this.bcdb.lastN(name),
        headOf: (statement) => this.bcdb.state.head(statement),
        seenFor: (ns) => seenFor(this.bcdb.state, ns, this.bcdb.head),
        append: (entry) => this.bcdb.append(entry),
      });
      this.#authors.set(name, author);
    }
    return author;
  }
}

/** Whatever the tests move may move. */
const heal = { suspectAfterMs: 3000, replaceAfterMs: 10_000, maxPerHour: 10_000, mayMoveTo: {} };

/** A source that asks a database of this process; a test can make it lie. */
export class TownSource implements LightSource {
  bcdb: Bcdb;
  /** What becomes of replies on their way. */
  twist: (reply: TwistedReply) => unknown = (reply) => reply;

  constructor(bcdb: Bcdb) {
    this.bcdb = bcdb;
  }

  async feeds(request: FeedsRequest): Promise<unknown> {
    const reply: unknown = JSON.parse(JSON.stringify(await this.bcdb.feedsOf(request)));
    return this.twist(reply as TwistedReply);
  }

  async succession(): Promise<unknown> {
    return JSON.parse(JSON.stringify(this.bcdb.succession));
  }
}

/** Waits until the last record of the log is a tick, which tells of all before it. */
export async function ticked(bcdb: Bcdb): Promise<void> {
  const endsInTick = async (): Promise<boolean> => {
    const { size } = bcdb.head;
    for await (const group of bcdb.read(size - 1, size)) {
      return group.some((entry) => checkRecord(entry).envelope.url === systemUrls.tick);
    }
    return false;
  };
  await waitFor(endsInTick, { timeoutMs: 60_000, what: 'a tick' });
}

/** A reply that a test may write into. */
export type TwistedReply = Writable<Awaited<ReturnType<Bcdb['feedsOf']>>>;
type Writable<T> = { -readonly [Name in keyof T]: Writable<T[Name]> };

/** The key of a name: the same in every run. */
export function keyOf(name: string): SigningKey {
  return SigningKey.fromSeed(seededRandom(name).bytes(32));
}

export function text(key: SigningKey): KeyText {
  return key.publicKey.text as KeyText;
}
