import { join } from 'node:path';

import { answersHttp, answersPing } from './answers.ts';
import { createIdentity } from './owner-identity.ts';
import { loopback } from './ports.ts';
import type { PortName, Ports } from './ports.ts';
import type { ServiceDefinition } from './service-definition.ts';

/** The services of the one-machine grid, each after those that it depends on. */
export const serviceTable: readonly ServiceDefinition[] = [
  {
    name: 'zdb',
    dependsOn: [],
    ports: ['zdb', 'zdb-metrics'],
    dataDir: (home) => home.zdb,
    prepare: ({ home }) => home.createSecret(home.zdbPasswordFile, 'hex'),
    command: ({ home, ports }) => [
      join(import.meta.dirname, 'main.ts'),
      'zdb',
      'serve',
      `--data=${home.zdb}`,
      `--listen=${addressOf(ports, 'zdb')}`,
      `--metrics=${addressOf(ports, 'zdb-metrics')}`,
      `--admin-password-file=${home.zdbPasswordFile}`,
    ],
    isReady: ({ ports }, signal) => answersPing(portOf(ports, 'zdb'), signal),
    probe: { everyMs: 10_000, timeoutMs: 10_000, missesMax: 3 },
    startTimeoutMs: 600_000,
    stopTimeoutMs: 30_000,
  },
  {
    name: 'bcdb',
    dependsOn: [],
    ports: ['bcdb-http', 'bcdb', 'bcdb-metrics'],
    dataDir: (home) => home.bcdb,
    prepare: async ({ home }) => void (await createIdentity(home)),
    command: ({ home, ports }) => [
      join(import.meta.dirname, 'main.ts'),
      'bcdb',
      'serve',
      `--data=${home.bcdb}`,
      `--http=${addressOf(ports, 'bcdb-http')}`,
      `--redis=${addressOf(ports, 'bcdb')}`,
      `--metrics=${addressOf(ports, 'bcdb-metrics')}`,
      `--owner-key-file=${home.ownerKeyFile}`,
      `--owner-token-file=${home.ownerTokenFile}`,
      '--grid-types',
    ],
    isReady: ({ ports }, signal) => answersHttp(portOf(ports, 'bcdb-http'), '/healthz', signal),
    probe: { everyMs: 10_000, timeoutMs: 10_000, missesMax: 3 },
    startTimeoutMs: 600_000,
    stopTimeoutMs: 30_000,
  },
];

/** The `host:port` that a service of this machine listens on. */
export function addressOf(ports: Ports, name: PortName): string {
  return `${loopback}:${portOf(ports, name)}`;
}

function portOf(ports: Ports, name: PortName): number {
  const port = ports.get(name);
  if (port === undefined) throw new Error(`no port was chosen for ${name}`);
  return port;
}
