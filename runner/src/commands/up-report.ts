import type { CommandContext } from '../command-context.ts';
import { GridHome } from '../home.ts';
import { portEntry } from '../ports.ts';
import type { PortName } from '../ports.ts';
import { serviceRanges } from '../service-ranges.ts';
import type { ServiceRow } from '../service-ranges.ts';
import type { LayoutName, StorageLayout } from '../storage-layout.ts';
import type { GridState, ServiceState } from '../supervisor/grid-state.ts';
import { counted, formatTable, plainText } from '../terminal.ts';

export interface UpReport {
  readonly schema: 'grid.up.1';
  readonly home: string;
  readonly services: Readonly<Record<string, UpService>>;
  readonly identity: UpIdentity;
  readonly storage: UpStorage;
  /** Null while a supervisor of an earlier release runs. */
  readonly hub: UpHub | null;
  readonly node: UpNode;
  readonly bots: UpBots;
}

/** Who acts here for the owner, and for a buyer. */
export interface UpBots {
  readonly ids: Readonly<Record<string, string>>;
  /** Why there are none. */
  readonly lack: string | null;
}

/** What runs workloads on this machine. */
export interface UpNode {
  /** Null where there is none. */
  readonly id: string | null;
  readonly name: string | null;
  /** Why there is none. */
  readonly lack: string | null;
}

/** Where images are kept for others, and the one that it begins with. */
export interface UpHub {
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
export interface UpIdentity {
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

/** What `grid up` tells. */
export function reportOf(
  state: GridState,
  identity: UpIdentity,
  {
    layout,
    ...parts
  }: Pick<UpReport, 'hub' | 'node' | 'bots'> & { readonly layout: StorageLayout },
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
  return { schema: 'grid.up.1', home: state.home, services: all, identity, storage, ...parts };
}

/** The same for people. */
export function describe({ terminal }: CommandContext, report: UpReport): string {
  const { home, services, identity, storage, hub, node, bots } = report;
  const { style } = terminal;
  const rows = serviceRanges(Object.entries(services).flatMap(rowsOf));
  const port = services['zdb']?.address.split(':').at(-1);
  const failed = notStarted(services);
  const passwordFile = new GridHome(home).zdbPasswordFile;
  return [
    style.good('the grid is up'),
    formatTable(rows).replaceAll(/^/gm, '  '),
    `  data and secrets: ${home}`,
    `  owner: ${identity.bot ?? identity.key}`,
    ...failed.map((name) => style.bad(`  ${name} did not start: see ./grid status`)),
    ...(hub === null ? [] : [hubLine(hub)]),
    node.id === null ? `  no node: ${node.lack}` : `  node: ${node.name}, ${node.id}`,
    bots.lack === null ? '  bots: farmer, buyer' : `  no bots: ${bots.lack}`,
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
      ...(bots.lack === null ? [['  ./grid wallet balance --bot buyer', 'what a buyer has']] : []),
      ['  ./grid down', 'stop; the data stays'],
    ]),
  ].join('\n');
}

/** The same in one line. */
export function summaryOf({ services, node, bots }: UpReport): string {
  const failed = notStarted(services);
  const runs = Object.keys(services).length - failed.length;
  return plainText(
    [
      `the grid is up: ${counted(runs, 'service')}`,
      ...(failed.length === 0 ? [] : [`not started: ${failed.join(', ')}`]),
      ...(node.lack === null ? [] : [`no node: ${node.lack}`]),
      ...(bots.lack === null ? [] : [`no bots: ${bots.lack}`]),
    ].join('; '),
  );
}

function notStarted(services: UpReport['services']): readonly string[] {
  return Object.keys(services).filter((name) => services[name]?.pid === null);
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
