import { shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { fillHub } from '../fill-hub.ts';
import type { FilledHub } from '../fill-hub.ts';
import { GridHome } from '../home.ts';
import { startHomeNode } from '../node/home-node.ts';
import { bringUp, lookAt, prepareHome, runInForeground } from '../one-machine-grid.ts';
import { introduceOwner, ownerNameDefault } from '../owner-bot.ts';
import { maxOffset, portEntry } from '../ports.ts';
import type { PortName } from '../ports.ts';
import { serviceRanges } from '../service-ranges.ts';
import type { ServiceRow } from '../service-ranges.ts';
import { layoutNames, layoutOf, usualLayout } from '../storage-layout.ts';
import type { LayoutName, StorageLayout } from '../storage-layout.ts';
import type { GridState, ServiceState } from '../supervisor/grid-state.ts';
import { formatTable, withProgress } from '../terminal.ts';
import { wordCard } from '../word-card.ts';
import { parseSize } from './node/node-arguments.ts';

type UpOptions = JsonOption & {
  readonly foreground?: true;
  readonly portBase?: number;
  readonly shards?: LayoutName;
  readonly name: string;
  readonly node?: boolean;
  readonly volumeSize?: number;
};

interface UpReport {
  readonly schema: 'grid.up.1';
  readonly home: string;
  readonly services: Readonly<Record<string, UpService>>;
  readonly identity: UpIdentity;
  readonly storage: UpStorage;
  /** Null while a supervisor of an earlier release runs. */
  readonly hub: UpHub | null;
  readonly node: UpNode;
}

/** What runs workloads on this machine. */
interface UpNode {
  /** Null where there is none. */
  readonly id: string | null;
  readonly name: string | null;
  /** Why there is none. */
  readonly lack: string | null;
}

/** Where images are kept for others, and the one that it begins with. */
interface UpHub {
  readonly url: string;
  readonly image: { readonly name: string; readonly digest: string } | null;
  /** Why there is no image. */
  readonly lack: string | null;
}

/** Where S3 is, and how it keeps objects. */
interface UpStorage {
  readonly endpoint: string | null;
  readonly shards: LayoutName;
  readonly backends: number;
  readonly spares: number;
}

/** Who owns the grid. The words themselves are in no report. */
interface UpIdentity {
  readonly key: string;
  /** Null when the words are not here and the grid has not met its owner yet. */
  readonly bot: string | null;
  readonly isNew: boolean;
}

interface UpService {
  readonly address: string;
  readonly addresses: ServiceState['addresses'];
  readonly pid: number | null;
  readonly dataDir: string;
}

export function upCommand(context: CommandContext): Command {
  return resultCommand('up', 'Start the one-machine grid and return once all of it is ready.')
    .option('--port-base <port>', 'use the ports from here on; 0: any free ones', parsePortBase)
    .addOption(
      new Option(
        '--shards <k+m>',
        `data and parity shards of what S3 keeps, or none for no S3; chosen at the first start, default ${usualLayout}`,
      ).choices(layoutNames),
    )
    .option(
      '--node',
      'run workloads on this machine, as it is unless you said otherwise; needs root',
    )
    .option('--no-node', 'run none, from now on')
    .option(
      '--volume-size <size>',
      'disk for volumes of workloads, at the first start; default: a quarter of what is free, at most 32GiB',
      parseSize,
    )
    .option('--foreground', 'stay until SIGTERM, for service managers')
    .option('--name <name>', 'your name in the grid, at the first start', ownerNameDefault)
    .addHelpText(
      'after',
      '\nThe grid lives in GRID_HOME: /var/lib/grid as root, ~/.local/share/grid otherwise.',
    )
    .action(async (options: UpOptions) => {
      await up(context, options);
    });
}

async function up(context: CommandContext, options: UpOptions): Promise<void> {
  const { home, logLevel } = context.environment;
  const { key, newWords } = await prepareHome(home, options.shards);
  if (newWords !== undefined) showWords(context, new GridHome(home), newWords);
  const print = async (state: GridState): Promise<void> => {
    const bot = await introduce(state, options.name);
    const identity = { key, bot: bot ?? null, isNew: newWords !== undefined };
    const layout = await layoutOf(new GridHome(home));
    const [hub, node] = await Promise.all([filledHub(state), startedNode(state, options)]);
    const now = (await lookAt(home)).state ?? state;
    const report = reportOf(now, identity, { layout, hub, node });
    printResult(context, options, report, () => describe(context, report));
  };
  if (options.foreground === true) {
    await runInForeground(home, options.portBase, logLevel, shutdownSignal(), print);
    return;
  }
  const work = bringUp(home, options.portBase);
  await print(await withProgress(context.terminal, 'starting the grid', work));
}

function introduce(state: GridState, name: string): Promise<string | undefined> {
  const address = state.services['bcdb']?.addresses['bcdb-http'];
  if (address === undefined) return Promise.resolve(undefined);
  return introduceOwner(new GridHome(state.home), `http://${address}`, name);
}

async function filledHub(state: GridState): Promise<UpHub | null> {
  const hub = state.services['hub'];
  if (hub === undefined) return null;
  const url = `http://${hub.address}`;
  const { image, lack }: FilledHub = await fillHub(new GridHome(state.home), url);
  return { url, image: image ?? null, lack: lack ?? null };
}

async function startedNode(state: GridState, options: UpOptions): Promise<UpNode> {
  const { node: isWanted, volumeSize: volumeBytes } = options;
  const home = new GridHome(state.home);
  const { node, lack } = await startHomeNode(home, state, { isWanted, volumeBytes });
  return { id: node?.id ?? null, name: node?.name ?? null, lack: lack ?? null };
}

function reportOf(
  state: GridState,
  identity: UpIdentity,
  { layout, hub, node }: Pick<UpReport, 'hub' | 'node'> & { readonly layout: StorageLayout },
): UpReport {
  // One that was not wanted did not fail.
  const wanted = Object.entries(state.services).filter(([, { phase }]) => phase !== 'stopped');
  const services = wanted.map(([name, service]) => {
    const { address, addresses, process, dataDir } = service;
    return [name, { address, addresses, pid: process?.pid ?? null, dataDir }];
  });
  const all = Object.fromEntries(services) as UpReport['services'];
  const s3 = state.services['s3']?.address;
  const storage = { endpoint: s3 === undefined ? null : `http://${s3}`, ...layout };
  return { schema: 'grid.up.1', home: state.home, services: all, identity, storage, hub, node };
}

function describe({ terminal }: CommandContext, report: UpReport): string {
  const { home, services, identity, storage, hub, node } = report;
  const { style } = terminal;
  const rows = serviceRanges(Object.entries(services).flatMap(rowsOf));
  const port = services['zdb']?.address.split(':').at(-1);
  const failed = Object.keys(services).filter((name) => services[name]?.pid === null);
  const passwordFile = new GridHome(home).zdbPasswordFile;
  return [
    style.good('the grid is up'),
    formatTable(rows).replaceAll(/^/gm, '  '),
    `  data and secrets: ${home}`,
    `  owner: ${identity.bot ?? identity.key}`,
    ...failed.map((name) => style.bad(`  ${name} did not start: see ./grid status`)),
    ...(hub === null ? [] : [hubLine(hub)]),
    node.id === null ? `  no node: ${node.lack}` : `  node: ${node.name}, ${node.id}`,
    ...(storage.endpoint === null ? [] : describeStorage(storage)),
    ...(hub?.image ? describeImage(hub.image) : []),
    '',
    'Write and find what is yours:',
    `  ./grid bcdb put me grid.bookmark.1 home '${exampleBookmark}'`,
    '  ./grid bcdb search me example',
    '',
    'Talk to Zero-DB with any Redis client:',
    `  export REDISCLI_AUTH=$(cat ${passwordFile})`,
    `  redis-cli -p ${port} SET hello world`,
    '',
    'Next:',
    formatTable([
      ['  ./grid status', 'what runs, and where'],
      ['  ./grid bcdb ns list', 'what BCDB holds'],
      ['  ./grid zdb info', 'how Zero-DB is doing'],
      ...(storage.endpoint === null ? [] : [['  ./grid s3 stat', 'what S3 keeps, and where']]),
      ['  ./grid hub ls', 'what images there are'],
      ...(node.id === null ? [] : [['  ./grid node status', 'what the node has, and runs']]),
      ['  ./grid down', 'stop; the data stays'],
    ]),
  ].join('\n');
}

function rowsOf([name, { addresses, pid }]: [string, UpService]): ServiceRow[] {
  return Object.entries(addresses).map(([port, address = '']) => {
    const { purpose } = portEntry(port as PortName);
    const process = pid === null ? 'no process' : `pid ${pid}`;
    const whose = isNumbered(name) ? process : `${process} (${name})`;
    return { name: port, kind: `${purpose} ${pid === null}`, cells: [address, purpose, whose] };
  });
}

/** One of many that share a row, where its name is there already. */
function isNumbered(name: string): boolean {
  return /-\d+$/.test(name);
}

function hubLine({ url, image, lack }: UpHub): string {
  if (image !== null) return `  hub: ${url}, with the image ${image.name}`;
  return `  hub: ${url}, without a first image: ${lack}`;
}

/** What is its owner's a hub finds without the owner's name. */
function describeImage({ name }: { readonly name: string }): string[] {
  const short = name.slice(name.indexOf('/') + 1);
  return [
    '',
    'Run a program of an image, as root:',
    `  ./grid flist mount ${short} /mnt/${short}`,
    `  chroot /mnt/${short} /bin/sh`,
  ];
}

/** All backends are on this machine: people must not take it for more than it is. */
function describeStorage({ shards, backends, spares }: UpStorage): string[] {
  const [, parity = ''] = shards.split('+');
  const which = spares === 0 ? `${backends} backends` : `${backends} backends, ${spares} spare`;
  return [
    `  S3: ${shards} on ${which}; any ${parity} may fail. Development layout: one disk`,
    '',
    'Keep files with any client of S3:',
    '  eval "$(./grid s3 keys --env)"',
    '  aws s3 mb s3://photos',
  ];
}

const exampleBookmark = '{"url":"https://example.com","title":"An example","tags":[],"addedMs":0}';

/**
 * The only time that the words are shown. Nobody but a person at a terminal sees them: logs of
 * service managers and files of output are read by others.
 */
function showWords({ terminal }: CommandContext, home: GridHome, words: string): void {
  const { note, style } = terminal;
  if (!terminal.isWatched) {
    note(`a new identity was made; its 24 words are in ${home.wordsFile}, for you alone to read`);
    return;
  }
  note(wordCard(words.split(' '), style.strong));
  note('These words are you: whoever has them owns this grid, and without them nobody can prove');
  note('to be you once this machine is lost. Write them down now; they are not shown again.');
  note(`They are also in ${home.wordsFile}.`);
  note('Keep that file elsewhere and delete it here: the grid runs without it.');
  note('');
}

function parsePortBase(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port + maxOffset <= 65_535) return port;
  throw new InvalidArgumentError(`give a port from 0 to ${65_535 - maxOffset}`);
}
