import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chunkMemory, collectionFlags } from '@commongrid/base';

import { answersCalls, answersHttp, answersOrders, answersPing } from './answers.ts';
import type { BotFolder } from './commands/bot/bot-folder.ts';
import { makeBackendNamespaces } from './backend-namespaces.ts';
import { writeBackendsFile } from './backends-file.ts';
import { frontDoorService } from './front-door/front-door-place.ts';
import type { GridHome } from './home.ts';
import { homeBotFolder, homeBots, homeBotService } from './home-bots/home-bot-place.ts';
import type { HomeBotName } from './home-bots/home-bot-place.ts';
import { homeNodeService, keepZdbPort, prefixOf } from './node/home-node-place.ts';
import { createIdentity } from './owner-identity.ts';
import { addressOf, portOf } from './ports.ts';
import type { ServiceDefinition } from './service-definition.ts';
import { backendNames } from './storage-layout.ts';
import type { StorageLayout } from './storage-layout.ts';

/** Time for a service to become ready: it may have much to repair. */
export const startTimeoutMs = 600_000;

/** How all services are watched, and how long they may take. */
const usualPace = {
  probe: { everyMs: 10_000, timeoutMs: 10_000, missesMax: 3 },
  startTimeoutMs,
  stopTimeoutMs: 30_000,
};

/** What Node runs for all services: the `grid` command. */
const main = join(import.meta.dirname, 'main.ts');

/** The services of the one-machine grid, each after those that it depends on. */
export function serviceTable(layout: StorageLayout): readonly ServiceDefinition[] {
  const storage = layout.backends === 0 ? [] : [s3Service(layout)];
  const backends = backendNames(layout).map(backendService);
  const bots = homeBots.map(botService);
  return [...foundations, ...backends, ...storage, nodeService, ...bots, frontDoor];
}

const foundations: readonly ServiceDefinition[] = [
  {
    name: 'zdb',
    dependsOn: [],
    ports: ['zdb', 'zdb-metrics'],
    dataDir: (home) => home.zdb,
    prepare: ({ home }) => home.createSecret(home.zdbPasswordFile, 'hex'),
    command: ({ home, ports }) => [
      main,
      'zdb',
      'serve',
      `--data=${home.zdb}`,
      `--listen=${addressOf(ports, 'zdb')}`,
      `--metrics=${addressOf(ports, 'zdb-metrics')}`,
      `--admin-password-file=${home.zdbPasswordFile}`,
    ],
    isReady: ({ ports }, signal) => answersPing(portOf(ports, 'zdb'), signal),
    ...usualPace,
  },
  {
    name: 'bcdb',
    dependsOn: [],
    ports: ['bcdb-http', 'bcdb', 'bcdb-metrics'],
    dataDir: (home) => home.bcdb,
    prepare: async ({ home }) => void (await createIdentity(home)),
    command: ({ home, ports }) => [
      main,
      'bcdb',
      'serve',
      `--data=${home.bcdb}`,
      `--http=${addressOf(ports, 'bcdb-http')}`,
      `--redis=${addressOf(ports, 'bcdb')}`,
      `--metrics=${addressOf(ports, 'bcdb-metrics')}`,
      `--owner-key-file=${home.ownerKeyFile}`,
      `--owner-token-file=${home.ownerTokenFile}`,
      // Only a log that is made needs it, and its owner may have taken it away since.
      ...(existsSync(home.releaseKeyFile) ? [`--release-key-file=${home.releaseKeyFile}`] : []),
      '--grid-types',
    ],
    isReady: ({ ports }, signal) => answersHttp(portOf(ports, 'bcdb-http'), '/healthz', signal),
    ...usualPace,
  },
  {
    name: 'hub',
    // It asks BCDB whose a key is when somebody wants to change something, and is read without.
    dependsOn: [],
    ports: ['hub', 'hub-metrics'],
    dataDir: (home) => home.hub,
    prepare: async ({ home }) => void (await createIdentity(home)),
    command: ({ home, ports }) => [
      ...collectionFlags.chunks,
      main,
      'hub',
      'serve',
      `--data=${home.hub}`,
      `--listen=${addressOf(ports, 'hub')}`,
      `--metrics=${addressOf(ports, 'hub-metrics')}`,
      `--phonebook=http://${addressOf(ports, 'bcdb-http')}`,
      `--phonebook-genesis=${home.bcdbGenesisFile}`,
      `--owner-key-file=${home.ownerKeyFile}`,
    ],
    variables: chunkMemory,
    isReady: ({ ports }, signal) => answersHttp(portOf(ports, 'hub'), '/v1/users?limit=1', signal),
    ...usualPace,
  },
];

/** The node of this machine. `grid up` starts it once its owner is known, and knows it. */
const nodeService: ServiceDefinition = {
  name: homeNodeService,
  dependsOn: ['bcdb', 'hub'],
  ports: ['node-zdb', 'node-metrics'],
  dataDir: (home) => home.node,
  prepare: async () => {},
  command: ({ home, ports }) => [
    ...collectionFlags.waiting,
    main,
    'node',
    'start',
    `--data=${home.node}`,
    `--prefix=${prefixOf(home)}`,
    `--url=http://${addressOf(ports, 'bcdb-http')}`,
    `--hub=http://${addressOf(ports, 'hub')}`,
    `--zdb-port=${portOf(ports, 'node-zdb')}`,
    `--metrics=${addressOf(ports, 'node-metrics')}`,
  ],
  isReady: ({ home }, signal) => answersOrders(home.nodeControlSocket, signal),
  furnish: ({ home, ports }) => keepZdbPort(home, portOf(ports, 'node-zdb')),
  isStartedByName: true,
  ...usualPace,
};

/** A 3Bot of this machine. `grid up` starts it once its record is in the phonebook. */
function botService(bot: HomeBotName): ServiceDefinition {
  const name = homeBotService(bot);
  const folderIn = (home: GridHome): BotFolder => homeBotFolder(home, bot);
  return {
    name,
    dependsOn: ['bcdb'],
    ports: [name, `${name}-metrics`],
    dataDir: (home) => folderIn(home).path,
    prepare: async () => {},
    command: ({ home, ports }) => [
      ...collectionFlags.waiting,
      main,
      'bot',
      'start',
      bot,
      `--data=${folderIn(home).path}`,
      `--listen=${addressOf(ports, name)}`,
      `--metrics=${addressOf(ports, `${name}-metrics`)}`,
    ],
    isReady: ({ home }, signal) => answersCalls(folderIn(home).controlSocket, signal),
    isStartedByName: true,
    ...usualPace,
  };
}

/** What it runs: without the command around it, it needs less memory. */
const frontDoorProcess = fileURLToPath(
  new URL('front-door/front-door-process.ts', import.meta.url),
);

/** Addresses of loopback for what contracts publish. `grid up` starts it with the bots, who say what that is. */
const frontDoor: ServiceDefinition = {
  name: frontDoorService,
  dependsOn: [],
  ports: ['front-door-metrics'],
  dataDir: (home) => home.frontDoor,
  prepare: async () => {},
  command: ({ home, ports }) => [
    ...collectionFlags.requests,
    frontDoorProcess,
    home.path,
    String(portOf(ports, 'front-door-metrics')),
  ],
  isReady: ({ home }, signal) => answersOrders(home.frontDoorControlSocket, signal),
  mayFail: true,
  isStartedByName: true,
  ...usualPace,
};

/**
 * A Zero-DB that plays a node of the storage. Young objects get little room: of so many processes
 * most are idle, and each would keep several MiB of it.
 */
function backendService(name: `zdb-${number}`): ServiceDefinition {
  return {
    name,
    dependsOn: [],
    ports: [name],
    dataDir: (home) => home.backend(name),
    prepare: ({ home }) => home.createSecret(home.backendsPasswordFile, 'base64url'),
    command: ({ home, ports }) => [
      '--max-semi-space-size=1',
      ...collectionFlags.values,
      main,
      'zdb',
      'serve',
      `--data=${home.backend(name)}`,
      `--listen=${addressOf(ports, name)}`,
      `--admin-password-file=${home.zdbPasswordFile}`,
    ],
    isReady: ({ ports }, signal) => answersPing(portOf(ports, name), signal),
    furnish: ({ home, ports }) => makeBackendNamespaces(home, portOf(ports, name)),
    mayFail: true,
    ...usualPace,
  };
}

function s3Service(layout: StorageLayout): ServiceDefinition {
  return {
    name: 's3',
    dependsOn: backendNames(layout),
    ports: ['s3', 's3-metrics'],
    dataDir: (home) => home.s3,
    prepare: ({ home, ports }) => writeBackendsFile(home, layout, ports),
    command: ({ home, ports }) => [
      ...collectionFlags.requests,
      main,
      's3',
      'serve',
      `--data=${home.s3}`,
      `--backends=${home.backendsFile}`,
      `--key=${home.s3KeyFile}`,
      `--policy=${layout.shards}`,
      `--anchor=http://${addressOf(ports, 'bcdb-http')}`,
      `--anchor-token-file=${home.ownerTokenFile}`,
      `--anchor-genesis=${home.bcdbGenesisFile}`,
      `--listen=${addressOf(ports, 's3')}`,
      `--metrics=${addressOf(ports, 's3-metrics')}`,
    ],
    isReady: ({ ports }, signal) => answersHttp(portOf(ports, 's3'), '/-/health', signal),
    ...usualPace,
  };
}
