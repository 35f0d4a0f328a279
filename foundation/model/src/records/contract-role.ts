import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';

const seconds = Type.Integer({ minimum: 1, maximum: 86_400 });

/** What one replica gets. */
export const resources = Type.Object(
  {
    cpuMilli: f.bytesCount,
    memoryBytes: f.bytesCount,
    ssdBytes: f.bytesCount,
    hddBytes: f.bytesCount,
    ipv4: Type.Integer({ minimum: 0, maximum: 16 }),
  },
  f.closed,
);
export type Resources = Static<typeof resources>;

const port = Type.Integer({ minimum: 1, maximum: 65_535 });

const container = Type.Object(
  {
    /** Digest of the file list: images have no other name. */
    flist: f.hash,
    command: Type.Array(f.text(4096), { maxItems: 128 }),
    env: Type.Array(Type.Object({ name: f.text(128), value: f.text(4096) }, f.closed), {
      maxItems: f.listMax,
    }),
    /** Secrets of the contract, by the name of the variable that holds them. */
    secretEnv: Type.Array(Type.Object({ name: f.text(128), secret: f.labelText }, f.closed), {
      maxItems: 64,
    }),
    volumes: Type.Array(
      Type.Object({ name: f.labelText, path: f.text(512), sizeBytes: f.bytesCount }, f.closed),
      { maxItems: 32 },
    ),
    ports: Type.Array(
      Type.Object({ name: f.labelText, port, protocol: f.oneOf('tcp', 'udp') }, f.closed),
      { maxItems: 64 },
    ),
  },
  f.closed,
);

const zdb = Type.Object(
  { mode: f.oneOf('user', 'seq'), sizeBytes: f.bytesCount, disk: f.oneOf('ssd', 'hdd') },
  f.closed,
);

const gateway = Type.Object(
  {
    domain: f.text(253),
    /** Role and port to which requests go. */
    role: f.labelText,
    port: f.labelText,
    tls: f.oneOf('terminate', 'passthrough', 'none'),
  },
  f.closed,
);

/** What runs: just the member that `kind` names is there. */
const workload = Type.Object(
  {
    kind: f.oneOf('container', 'zdb', 'gateway'),
    container: Type.Optional(container),
    zdb: Type.Optional(zdb),
    gateway: Type.Optional(gateway),
  },
  f.closed,
);
export type Workload = Static<typeof workload>;

/** How to find out whether a replica works. */
const health = Type.Object(
  {
    probe: f.oneOf('process', 'tcp', 'http'),
    port: Type.Optional(f.labelText),
    path: Type.Optional(f.text(512)),
    everySeconds: seconds,
    timeoutSeconds: seconds,
    /** So many probes in a row decide. */
    failures: Type.Integer({ minimum: 1, maximum: 100 }),
    startSeconds: seconds,
  },
  f.closed,
);
export type Health = Static<typeof health>;

/**
 * One role of a contract: what runs, how often, where it may be. The header has the hash of
 * `contractRoleOpening` only.
 */
export const contractRole = Type.Object(
  {
    name: f.labelText,
    replicas: f.count,
    workload,
    resources,
    networks: f.setOf(f.labelText, { maxItems: 16 }),
    health: Type.Optional(health),
    restart: f.oneOf('always', 'on-failure', 'never'),
    /** Roles that must be healthy first. */
    after: f.setOf(f.labelText, { maxItems: 64 }),
    spread: Type.Object(
      {
        perOwner: Type.Optional(f.count),
        perFarm: Type.Optional(f.count),
        perCountry: Type.Optional(f.count),
        distinctNodes: Type.Boolean(),
      },
      f.closed,
    ),
    data: f.oneOf('none', 'dispersed', 'local'),
    onIsolation: f.oneOf('keep', 'stop'),
  },
  f.closed,
);
export type ContractRole = Static<typeof contractRole>;

/** What is hashed for a header, and shown to the nodes that run the role. */
export const contractRoleOpening = Type.Object({ salt: f.nonce16, role: contractRole }, f.closed);
export type ContractRoleOpening = Static<typeof contractRoleOpening>;
