import { randomBytes } from 'node:crypto';
import { mkdir, readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';

import { BcdbClient } from '@commongrid/bcdb/client';
import { formatBytes, throwIfAborted, waitFor } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';

import type { TestGrid } from '../e2e/grid-process.ts';
import { relayTo } from '../machines/relay-to.ts';
import type { Distance } from '../machines/relay-to.ts';
import { TamperingMirror } from '../machines/tampering-mirror.ts';
import { DemoBot } from './demo-bot.ts';
import type { DemoFolder } from './demo-folder.ts';
import { DemoNetwork } from './demo-network.ts';
import { DemoNode, nodePatience } from './demo-node.ts';
import { eachOf } from './each-of.ts';
import { money, townDiskBytes } from './town-plan.ts';
import type { FarmPlan, TownPlan } from './town-plan.ts';

interface Up {
  readonly services: Record<string, { readonly address: string; readonly pid: number | null }>;
  readonly hub: { readonly image: { readonly digest: string } | null };
  readonly bots: { readonly ids: Readonly<Record<string, string>>; readonly lack: string | null };
}

interface Refusal {
  readonly code: string;
  readonly details?: { readonly rule?: string };
}

export interface TownOptions {
  readonly folder: DemoFolder;
  readonly plan: TownPlan;
  /** How many times longer than usual may be waited. */
  readonly slack: number;
  readonly signal: AbortSignal;
  /** Is told what is being done. */
  readonly note: (text: string) => void;
}

/** Stakeholders of the contract: bots that sign. */
export const stakeholders = ['expert', 'legal', 'business'] as const;
/** The farmer that has no machine, in a country that it does not sell in. */
export const farmerWithoutNodes = 'farmer-far';

/** In the hub: the image in which services of the grid itself run. */
export const systemImage = 'owner/grid';

/** Programs that start at a time: more of them only wait for each other. */
const width = 3;

/** A farm of an owner, his bot, and its machines. */
export interface TownFarm {
  readonly plan: FarmPlan;
  readonly name: string;
  readonly farmer: DemoBot;
  readonly nodes: readonly DemoNode[];
}

/**
 * A grid of many owners on one machine: the database, the hub and a buyer's bot of `grid up`, and farms with bots and
 * machines, each a namespace of the network with processes and a folder of its own. What it leaves goes with its folder.
 */
export class DemoTown implements AsyncDisposable {
  readonly grid: TestGrid;
  readonly farms: readonly TownFarm[];
  readonly buyer: DemoBot;
  /** Runs, and has nothing to sell. */
  readonly withoutNodes: DemoBot;
  /** Ids of bots by name. */
  readonly bots: ReadonlyMap<string, string>;
  /** Where the first farm looks for images first. */
  readonly mirror: TamperingMirror;
  /** How far the database seems to be from machines. */
  readonly toDatabase: Distance;
  /** Reads the log. */
  readonly client: BcdbClient;
  readonly trust: LogTrust;
  /** Key of the buyer's bot, as text. */
  readonly key: string;
  readonly signal: AbortSignal;
  /** Commands that bots gave with success so far, each with its bot before it. */
  readonly commands: (readonly string[])[] = [];
  readonly #slack: number;
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: TownParts, stack: AsyncDisposableStack) {
    this.grid = parts.grid;
    this.farms = parts.farms;
    this.buyer = parts.buyer;
    this.withoutNodes = parts.withoutNodes;
    this.bots = parts.bots;
    this.mirror = parts.mirror;
    this.toDatabase = parts.toDatabase;
    this.client = parts.reader.client;
    this.trust = parts.reader.trust;
    this.key = parts.reader.key;
    this.signal = parts.signal;
    this.#slack = parts.slack;
    this.#stack = stack;
  }

  static async open({ folder, plan, slack, signal, note }: TownOptions): Promise<DemoTown> {
    await using stack = new AsyncDisposableStack();
    await requireDisk(folder, plan);
    await mkdir(folder.nodes, { recursive: true, mode: 0o700 });
    const grid = folder.grid();
    note('database, hub and the bot of the buyer start');
    const up = await grid.json<Up>('up', '--port-base', '0');
    if (up.bots.lack !== null) throw new Error(`there are no bots: ${up.bots.lack}`);
    if (up.hub.image === null) throw new Error('the hub has no image to begin with');
    await giveMoney(grid);
    note('the image of the grid itself is made');
    await uploadSystem(grid);
    const farmers = plan.farms.map(({ code }) => `farmer-${code}`);
    note(`${farmers.length + 1 + stakeholders.length} bots are made`);
    const bots = new Map(Object.entries(up.bots.ids));
    await eachOf([...farmers, farmerWithoutNodes, ...stakeholders], width, async (name) => {
      throwIfAborted(signal);
      const { id } = await grid.json<{ readonly id: string }>('bot', 'init', name);
      bots.set(name, id);
    });
    const buyer = new DemoBot('buyer', grid.home, slack);
    const reader = await readerOf(buyer);
    const withoutNodes = await openFarmer(grid, farPlan, { bots, slack, signal });
    const network = DemoNetwork.make(folder.path);
    const toDatabase: Distance = { delayMs: 0 };
    const doorTo = async (service: string, distance?: Distance): Promise<string> => {
      const [, port] = (up.services[service]?.address ?? '').split(':');
      const { address } = network;
      return `http://${address}:${await relayTo(Number(port), address, stack, distance)}`;
    };
    const [url, hub] = [await doorTo('bcdb', toDatabase), await doorTo('hub')];
    const mirror = await TamperingMirror.open(hub, network.address, stack);
    note(`${plan.farms.length * plan.nodesPerFarm} nodes of ${plan.farms.length} farms start`);
    const farms = await eachOf(plan.farms, 2, async (farm, farmAt): Promise<TownFarm> => {
      const farmer = await openFarmer(grid, farm, { bots, slack, signal });
      const nodes = Array.from({ length: plan.nodesPerFarm }, (_, at) => {
        const { nodesPerFarm, diskBytes, ownDisks = [] } = plan;
        const number = farmAt * nodesPerFarm + at;
        return new DemoNode({
          ...{ network, folder: folder.nodes, home: grid.home, diskBytes, slack },
          ...{ at: number, name: `${farm.code}-${at + 1}`, hasOwnDisk: ownDisks.includes(number) },
          farm: `farm-${farm.code}`,
        });
      });
      const hubs = farmAt === 0 ? [mirror.url, hub] : [hub];
      await joinAll({ grid, farm, nodes, url, hubs, slack, signal });
      return { plan: farm, name: `farm-${farm.code}`, farmer, nodes };
    });
    const parts = { grid, farms, buyer, withoutNodes, bots, mirror, toDatabase, reader };
    return new DemoTown({ ...parts, slack, signal }, stack.move());
  }

  get nodes(): readonly DemoNode[] {
    return this.farms.flatMap(({ nodes }) => nodes);
  }

  /** The JSON result of a command as a bot. */
  async as<T>(bot: string, ...words: readonly string[]): Promise<T> {
    throwIfAborted(this.signal);
    const result = await this.grid.json<T>(...words, '--bot', bot);
    this.commands.push([bot, ...words]);
    return result;
  }

  /** The code with which a command as a bot is refused, or the rule of the log that does. @throws when it is not */
  async refused(bot: string, ...words: readonly string[]): Promise<string> {
    throwIfAborted(this.signal);
    const { status, stdout } = await this.grid.run(...words, '--bot', bot, '--json');
    if (status === 0) throw new Error(`grid ${words.join(' ')} as ${bot} was taken`);
    const { code, details } = JSON.parse(stdout) as Refusal;
    return details?.rule ?? code;
  }

  /** Id of a bot. */
  bot(name: string): string {
    const id = this.bots.get(name);
    if (id === undefined) throw new Error(`no bot is called ${name}`);
    return id;
  }

  /** Waits until something is so, with slack for longer than is said. @throws BASE_TIMEOUT, BASE_ABORTED */
  until<T>(
    what: string,
    look: () => Promise<T | false | undefined>,
    timeoutMs = 180_000,
  ): Promise<T> {
    const limit = { timeoutMs: timeoutMs * this.#slack, everyMs: 200 };
    return waitFor(look, { ...limit, signal: this.signal, what });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

interface TownParts extends Pick<
  DemoTown,
  'grid' | 'farms' | 'buyer' | 'withoutNodes' | 'bots' | 'mirror' | 'toDatabase' | 'signal'
> {
  readonly reader: Reader;
  readonly slack: number;
}

/** The seventh farm: it says where it is, and what it would cost there. */
const farPlan: FarmPlan = { code: 'far', city: 'McMurdo', cu: 1, su: 1, surchargePercent: 0 };
const farCountry = 'AQ';

interface FarmerContext {
  readonly bots: ReadonlyMap<string, string>;
  readonly slack: number;
  readonly signal: AbortSignal;
}

/** The farm of a bot in the log, its rules, and the bot at work. */
async function openFarmer(
  grid: TestGrid,
  plan: FarmPlan,
  { bots, slack, signal }: FarmerContext,
): Promise<DemoBot> {
  throwIfAborted(signal);
  const { code, city, cu, su, surchargePercent } = plan;
  const name = `farmer-${code}`;
  const farmer = new DemoBot(name, grid.home, slack);
  const id = `farm:${randomBytes(16).toString('base64url')}`;
  const country = plan === farPlan ? farCountry : code.toUpperCase();
  const prices = { currency: money.code, unitHours: 1, cu: String(cu), su: String(su) };
  const farm = {
    ...{ id, owner: bots.get(name), name: `farm-${code}`, prices, publicIps: [] },
    location: { country, city, latMicrodeg: 0, lonMicrodeg: 0 },
  };
  const words = ['bcdb', 'put', 'grid', 'grid.farm.1', id, JSON.stringify(farm)];
  await grid.json(...words, '--bot', name);
  const dearer = (price: number): string =>
    String(Math.ceil((price * (100 + surchargePercent)) / 100));
  const list = { currency: money.code, unitHours: 1, cu: dearer(cu), su: dearer(su) };
  await farmer.setRules({
    ...(surchargePercent === 0 ? {} : { prices: [list] }),
    ...(plan === farPlan ? { refuse: { countries: [farCountry] } } : {}),
  });
  await farmer.start(signal);
  return farmer;
}

/** All nodes of a farm, in service. */
async function joinAll({
  grid,
  farm,
  nodes,
  url,
  hubs,
  slack,
  signal,
}: {
  readonly grid: TestGrid;
  readonly farm: FarmPlan;
  readonly nodes: readonly DemoNode[];
  /** Of the database. */
  readonly url: string;
  readonly hubs: readonly string[];
  readonly slack: number;
  readonly signal: AbortSignal;
}): Promise<void> {
  const as = ['--bot', `farmer-${farm.code}`];
  for (const node of nodes) {
    throwIfAborted(signal);
    const places = ['--url', url, ...hubs.flatMap((hub) => ['--hub', hub])];
    const words = ['node', 'invite', '--farm', node.farm, ...places];
    const { token } = await grid.json<{ readonly token: string }>(...words, ...as);
    await node.join(token);
  }
  await Promise.all(nodes.map((node) => node.answers(signal)));
  const adopted = new Set<string>();
  const look = async (): Promise<boolean> => {
    const words = ['node', 'adopt', '--pending', ...as];
    const answer = await grid.json<{ readonly adopted: readonly string[] }>(...words);
    for (const id of answer.adopted) adopted.add(id);
    return adopted.size === nodes.length;
  };
  await waitFor(look, { ...nodePatience(slack), signal, what: `the nodes of farm-${farm.code}` });
  await Promise.all(nodes.map((node) => node.inService(signal)));
}

/** A disk that is full would harm others on this machine. @throws when it would be */
async function requireDisk({ path }: DemoFolder, plan: TownPlan): Promise<void> {
  const { bavail, bsize } = await statfs(path);
  const wanted = townDiskBytes(plan);
  if (bavail * bsize >= wanted) return;
  const [free, need] = [formatBytes(bavail * bsize), formatBytes(wanted)];
  throw new Error(`the demo takes ${need} of disk, and ${path} has ${free} free`);
}

/** Heads of S3 run in it. */
async function uploadSystem(grid: TestGrid): Promise<void> {
  const { digest } = await grid.json<{ readonly digest: string }>('flist', 'create', '--system');
  await grid.json('hub', 'upload', digest, systemImage);
}

/** The owner of the grid issues it; the buyer begins with some. */
async function giveMoney(grid: TestGrid): Promise<void> {
  const { code, decimals, start } = money;
  await grid.json('wallet', 'currency', 'create', code, '--decimals', String(decimals));
  await grid.json('wallet', 'send', 'buyer', String(start), code);
}

interface LogTrust {
  readonly log: string;
  readonly sequencerKey: string;
}

interface Reader {
  readonly client: BcdbClient;
  readonly trust: LogTrust;
  readonly key: string;
}

/** Reads as a bot: what it writes, it writes itself. */
async function readerOf({ folder }: DemoBot): Promise<Reader> {
  const config = await readFile(join(folder, 'bot.json'), 'utf8');
  const { url, trust } = JSON.parse(config) as { readonly url: string; readonly trust: LogTrust };
  const seed = (await readFile(join(folder, 'device-key'), 'utf8')).trim();
  const key = SigningKey.fromSeed(Buffer.from(seed, 'base64url'));
  const client = await BcdbClient.connect({ url, trust, key });
  return { client, trust, key: key.publicKey.text };
}
