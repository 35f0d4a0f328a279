import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { askControl, isGridError, systemRandom, waitFor, writeFileAtomic } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SealingKey, SigningKey } from '@commongrid/crypto';
import { controlPathOf, HubServer, serviceCommand } from '@commongrid/flist';
import {
  approvalHash,
  botIdOf,
  draftContract,
  keyProof,
  keyProofDomain,
  nodeIdOf,
  sealSlice,
  sliceHash,
} from '@commongrid/model';
import type {
  ContractDraft,
  ContractRole,
  FarmId,
  KeyText,
  LeaseName,
  PlacementItem,
  RecordOf,
  RecordUrl,
  SealingKeyText,
  Slice,
  WorkloadId,
} from '@commongrid/model';

import { FolderSource, LinuxMachine, NodeAgent, signAccess, signRecord } from '../../src/index.ts';
import type {
  AccessClaim,
  Driver,
  LinuxMachineOptions,
  Room,
  WorkloadSource,
} from '../../src/index.ts';
import { drawPrefix } from './draw-prefix.ts';
import { makeImage } from './town-image.ts';

/** What a process needs to be the node of a town. Plain JSON. */
export interface NodePlan {
  readonly folder: string;
  readonly records: string;
  readonly log: string;
  /** Seed of the node's key, base64url. */
  readonly seed: string;
  readonly farm: string;
  readonly prefix: string;
  readonly hub: string;
  /** The run of its machine. */
  readonly bootId: string;
  /** What the node gives. */
  readonly room: Omit<Room, 'pids'>;
  readonly programs?: LinuxMachineOptions['programs'];
  /** How its images are shown; default: what the kernel can. */
  readonly imageMode?: LinuxMachineOptions['images']['mode'];
}

const zdbProgram = join(import.meta.dirname, 'zdb-server-program.ts');
const gib = 2 ** 30;
const roomDefault = { cpuMilli: 4_000, memoryBytes: 4 * gib, ssdBytes: 3 * gib, hddBytes: 0 };

/**
 * Opens the node of a plan, in this process or in one that is to be killed.
 * @param around puts something between the node and its drivers
 * @param from what it takes the records from; default: the folder of the plan
 */
export async function openPlanned(
  plan: NodePlan,
  around: (driver: Driver) => Driver = (driver) => driver,
  from: WorkloadSource = sourceOf(plan),
): Promise<NodeAgent & { readonly machine: LinuxMachine }> {
  const key = SigningKey.fromSeed(Buffer.from(plan.seed, 'base64url'));
  const { folder, prefix } = plan;
  let machine: LinuxMachine | undefined;
  const agent = await NodeAgent.open({
    ...{ folder, key, releaseKeys: [], bootId: plan.bootId },
    source: from,
    facts: {
      ...{ farm: plan.farm as FarmId, name: 'node-one', capacity: plan.room },
      ...{ features: [], addresses: [] },
    },
    capacity: { ...plan.room, pids: 10_000 },
    openMachine: async (facts) => {
      const opened = await LinuxMachine.open({
        ...{ folder: join(folder, 'machine'), prefix, volumeBytes: plan.room.ssdBytes, facts },
        programs: plan.programs,
        images: { hubs: [plan.hub], maxBytes: gib, mode: plan.imageMode, startService },
        zdb: { command: [process.execPath, zdbProgram], host: '127.0.0.1' },
      });
      machine = opened;
      const drivers = new Map([...opened.drivers].map(([kind, one]) => [kind, around(one)]));
      const { containers, volumeBytes, heardFile, zdb } = opened;
      const parts = { drivers, containers, volumeBytes, heardFile, zdb };
      return { ...parts, [Symbol.asyncDispose]: opened.close };
    },
  });
  if (machine === undefined) throw new Error('no machine was opened');
  return Object.assign(agent, { machine });
}

/** Whoever says records in the folder of a plan. */
export function sourceOf({ records, log, seed }: NodePlan): FolderSource {
  const key = SigningKey.fromSeed(Buffer.from(seed, 'base64url'));
  return new FolderSource({ folder: records, log, key });
}

async function startService(folder: string): Promise<void> {
  const [program = '', ...words] = serviceCommand(folder);
  spawn(program, words, { detached: true, stdio: 'ignore' }).unref();
  const answers = async (): Promise<boolean> => {
    try {
      await askControl(controlPathOf(folder), 'status', {}, { timeoutMs: 1_000 });
      return true;
    } catch (error) {
      if (isGridError(error)) return false;
      throw error;
    }
  };
  await waitFor(answers, { timeoutMs: 60_000, what: 'the image service' });
}

/** A farm, its owner, a hub with an image of busybox, and the records of one node, as signed files. */
export class NodeTown implements AsyncDisposable {
  readonly plan: NodePlan;
  readonly image: string;
  readonly #owner: SigningKey;
  readonly #root = SigningKey.generate();
  readonly #stack: AsyncDisposableStack;
  #seq = 0;
  readonly #fences = new Map<string, number>();

  private constructor(plan: NodePlan, image: string, stack: AsyncDisposableStack) {
    this.plan = plan;
    this.image = image;
    this.#owner = SigningKey.generate();
    this.#stack = stack;
  }

  static async open(
    room: NodePlan['room'] = roomDefault,
    more: Pick<NodePlan, 'imageMode'> = {},
  ): Promise<NodeTown> {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await tempFolder('town'));
    await chmod(path, 0o711);
    const records = join(path, 'records');
    await mkdir(records);
    const image = await makeImage(join(path, 'hub'), join(path, 'root'));
    const hub = stack.use(
      await HubServer.open({ folder: join(path, 'hub'), keys: { userOf: async () => undefined } }),
    );
    const plan = {
      ...{ folder: join(path, 'node'), records, log: randomBytes(32).toString('base64url') },
      seed: randomBytes(32).toString('base64url'),
      farm: `farm:${randomBytes(16).toString('base64url')}`,
      prefix: await drawPrefix(),
      hub: `http://${hub.host}:${hub.port}`,
      bootId: drawBootId(),
      ...{ room, ...more },
    };
    stack.defer(() => dismantle(plan));
    const town = new NodeTown(plan, image, stack.move());
    await town.#found();
    return town;
  }

  get node() {
    return nodeIdOf(this.#nodeKey.publicKey.text);
  }

  /** Writes a record as its author says it; the owner's device unless another is named. */
  async put<Url extends RecordUrl>(
    url: Url,
    obj: string,
    value: RecordOf<Url>,
    author: SigningKey = this.#owner,
  ): Promise<void> {
    const seq = this.#seq++;
    const record = { seq, at: Date.now(), url, obj, op: 'put' as const, value };
    const signed = signRecord(author, this.plan.log, record);
    await writeFileAtomic(join(this.plan.records, `${seq}.json`), JSON.stringify(signed));
  }

  draft(
    roles: readonly ContractRole[],
    secrets: Readonly<Record<string, string>> = {},
    { lastsMs = 3_600_000, graceMs = 3_600_000, replaceAfterMs = 10_000 } = {},
  ) {
    return draftContract({
      ...{ log: this.plan.log, name: 'web', owner: this.#ownerId, roles },
      controller: this.#owner.publicKey.text as KeyText,
      secrets: new Map(Object.entries(secrets)),
      term: { fromMs: 0, untilMs: Date.now() + lastsMs, graceMs },
      draw: (count) => systemRandom.bytes(count),
      terms: { heal: { suspectAfterMs: 3_000, replaceAfterMs, maxPerHour: 8, mayMoveTo: {} } },
    });
  }

  /** Signs, places and slices a contract on the node. @returns the workloads, by role */
  async deploy(
    draft: ContractDraft,
    roles?: readonly string[],
  ): Promise<ReadonlyMap<string, WorkloadId>> {
    await this.put('grid.contract.1', draft.id, draft.header);
    await this.approve(draft, 'provision');
    await this.lease(draft);
    return this.change(draft, 1, new Map(), roles);
  }

  /**
   * Places a revision of a contract: of all its roles, or some.
   * @param kept roles whose slice stays that of an earlier revision
   */
  async change(
    draft: ContractDraft,
    revision: number,
    kept: ReadonlyMap<string, number>,
    roles: readonly string[] = draft.openings.map(({ role }) => role.name),
  ): Promise<ReadonlyMap<string, WorkloadId>> {
    const items: PlacementItem[] = [];
    const workloads = new Map<string, WorkloadId>();
    const placed = draft.openings.filter(({ role }) => roles.includes(role.name));
    for (const { role } of placed) {
      for (let replica = 0; replica < role.replicas; replica++) {
        const of = kept.get(role.name) ?? revision;
        const slice = await this.sliceOf(draft, role.name, replica, of);
        if (of === revision) {
          await this.put('grid.slice.1', `${this.node}/${slice.workload}`, slice);
        }
        items.push({ role: role.name, replica, node: this.node, slice: sliceHash(slice) });
        workloads.set(replica === 0 ? role.name : `${role.name}/${replica}`, slice.workload);
      }
    }
    await this.place(draft, revision, items);
    return workloads;
  }

  async remove(draft: ContractDraft, workloads: Iterable<WorkloadId>): Promise<void> {
    await this.approve(draft, 'remove');
    await this.lease(draft);
    await this.place(draft, 2, []);
    for (const workload of workloads) {
      await this.put('grid.tombstone.1', workload, { workload, revision: 1, reason: 'removed' });
    }
  }

  /** Says that the node's machine began another run. */
  boot(bootId: string, n: number): Promise<void> {
    const session = { node: this.node, n, bootId };
    return this.put('grid.session.1', `${this.node}/${bootId}`, session, this.#nodeKey);
  }

  adopt(): Promise<void> {
    const farm = this.plan.farm as FarmId;
    return this.put('grid.adoption.1', this.node, { node: this.node, farm, standing: 'active' });
  }

  async approve(
    { id }: ContractDraft,
    action: 'provision' | 'remove' | 'halt',
    author?: SigningKey,
  ): Promise<void> {
    const hash = approvalHash({ log: this.plan.log, contract: id, action });
    const value = {
      ...{ contract: id, signer: this.#ownerId, role: 'owner', action, hash },
      ...{ verdict: 'approve' as const, expMs: Date.now() + 600_000 },
    };
    await this.put('grid.approval.1', `${this.#ownerId}/${hash}`, value, author);
  }

  async lease({ id, header }: ContractDraft): Promise<number> {
    const fence = (this.#fences.get(id) ?? 0) + 1;
    this.#fences.set(id, fence);
    const holder = header.controllers.find((one): one is KeyText => one.startsWith('ed25519:'));
    const name = id as string as LeaseName;
    if (holder === undefined) throw new Error('there is a controller with a key');
    await this.put('grid.lease.1', name, { name, holder, fence, ttlMs: 1_000 });
    return fence;
  }

  async place(
    { id }: ContractDraft,
    revision: number,
    items: PlacementItem[],
    change: Partial<RecordOf<'grid.placement.1'>> = {},
    author?: SigningKey,
  ): Promise<void> {
    const value = {
      ...{ contract: id, revision, items, lease: id as string as LeaseName },
      fence: this.#fences.get(id) ?? 0,
      reason: items.length === 0 ? ('remove' as const) : ('initial' as const),
      expMs: Date.now() + 600_000,
      ...change,
    };
    await this.put('grid.placement.1', id, value, author);
  }

  async sliceOf(
    draft: ContractDraft,
    role: string,
    replica: number,
    revision: number,
  ): Promise<Slice> {
    const opening = draft.openings.find((one) => one.role.name === role);
    if (opening === undefined) throw new Error(`there is no role ${role}`);
    const seal = SealingKey.derive(this.#nodeKey.exportSeed()).publicKey.text as SealingKeyText;
    return sealSlice(draft, opening, { node: { id: this.node, seal }, replica, revision });
  }

  /** Lets somebody do something to a workload, for a minute, as its owner says unless another key does. */
  token(workload: WorkloadId, change: Partial<AccessClaim> = {}, key = this.#owner): string {
    const { node } = this;
    const usual = { log: this.plan.log, node, workload, revision: 1, verb: 'exec' as const };
    return signAccess(key, { ...usual, expMs: Date.now() + 60_000, ...change });
  }

  /** A container of the town's image that runs a line of shell. */
  role(name: string, line: string, change: RoleChange = {}): ContractRole {
    const { container, ...rest } = change;
    return {
      ...{ name, replicas: 1, networks: [], after: [], data: 'none', onIsolation: 'keep' },
      restart: { policy: 'always', delayMs: 200, delayMaxMs: 1_000 },
      spread: { distinctNodes: false },
      resources: {
        ...{ cpuMilli: 500, memoryBytes: 64 * 2 ** 20, ssdBytes: 64 * 2 ** 20 },
        ...{ hddBytes: 0, ipv4: 0 },
      },
      workload: {
        kind: 'container',
        container: {
          ...{ flist: this.image as never, entrypoint: ['/bin/sh', '-c', line], env: [] },
          ...{ secretEnv: [], rootBytes: 32 * 2 ** 20, isReadOnly: false, exec: 'any', pids: 64 },
          ...{ volumes: [], files: [], ports: [], logs: [] },
          stop: { signal: 'SIGTERM', graceSeconds: 1 },
          ...container,
        },
      },
      ...rest,
    };
  }

  volume(name: string, sizeBytes = 64 * 2 ** 20): ContractRole {
    const { health: _health, ...role } = this.role(name, '');
    return {
      ...role,
      data: 'local',
      resources: { cpuMilli: 0, memoryBytes: 0, ssdBytes: sizeBytes, hddBytes: 0, ipv4: 0 },
      workload: { kind: 'volume', volume: { sizeBytes, disk: 'ssd' } },
    };
  }

  /** A namespace of Zero-DB; its password is a secret of the contract, of the same name. */
  zdb(name: string, sizeBytes: number): ContractRole {
    const role = this.volume(name, sizeBytes);
    const zdb = { mode: 'user', disk: 'ssd', password: name, isPublic: true } as const;
    return { ...role, workload: { kind: 'zdb', zdb: { ...zdb, sizeBytes } } };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  get #nodeKey(): SigningKey {
    return SigningKey.fromSeed(Buffer.from(this.plan.seed, 'base64url'));
  }

  get #ownerId() {
    return botIdOf(this.#root.publicKey.text);
  }

  /** The owner, the farm, the node and its session, adopted. */
  async #found(): Promise<void> {
    const { log, farm } = this.plan;
    const id = this.#ownerId;
    const proof = this.#owner.sign(keyProofDomain, keyProof(log, id));
    const device = {
      key: this.#owner.publicKey.text as KeyText,
      ...{ role: 'device' as const, proof: Buffer.from(proof).toString('base64url') },
    };
    const seal = SealingKey.generate().publicKey.text as never;
    const root = this.#root.publicKey.text as KeyText;
    const bot = { id, name: 'owner', root, seal, keys: [device], addresses: [] };
    await this.put('grid.bot.1', id, bot, this.#root);
    await this.put('grid.farm.1', farm, {
      ...{ id: farm as FarmId, owner: id, name: 'cellar', publicIps: [] },
      location: { country: 'BE', city: 'Gent', latMicrodeg: 0, lonMicrodeg: 0 },
      prices: { currency: 'EUR', unitHours: 1 },
    });
    const nodeSeal = SealingKey.derive(this.#nodeKey.exportSeed()).publicKey.text as never;
    const node = {
      ...{ id: this.node, farm: farm as FarmId, name: 'node-one', capacity: this.plan.room },
      ...{ features: [], addresses: [], seal: nodeSeal },
    };
    await this.put('grid.node.1', this.node, node, this.#nodeKey);
    await this.boot(this.plan.bootId, 1);
    await this.adopt();
  }
}

export function drawBootId(): string {
  return randomBytes(16).toString('base64url');
}

export interface RoleChange extends Partial<Omit<ContractRole, 'workload' | 'name'>> {
  readonly container?: Partial<NonNullable<ContractRole['workload']['container']>>;
}

/** Takes away all that a node of the plan may have left, however it ended. */
async function dismantle(plan: NodePlan): Promise<void> {
  await using agent = await openPlanned(plan);
  await agent.reconciler.close();
  const { containers } = agent.machine;
  const context = { signal: new AbortController().signal, progress: () => {} };
  const removed = (await containers.list()).map(async ({ key }) => {
    await containers.release(key);
    await containers.destroy(key);
  });
  await Promise.all(removed);
  await agent.machine.leave(context);
}
