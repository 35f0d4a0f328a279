import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Validator } from 'typebox/compile';
import { GridError } from '@commongrid/base/browser';
import type { ModelErrorCode } from '../errors.ts';
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

/** Absolute, without control characters. */
const path = Type.String({ pattern: '^/[ -\u{10FFFF}]*$', maxLength: 1024 });

/** Name of a variable of the environment. */
const variable = Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$', maxLength: 128 });

const words = Type.Array(f.text(4096), { maxItems: f.listMax });

/** A file that the node writes into the container: `content`, or the contract's secret of that name. */
const containerFile = Type.Object(
  {
    path,
    mode: Type.Integer({ minimum: 0, maximum: 0o777 }),
    content: Type.Optional(f.text(f.textMax)),
    secret: Type.Optional(f.labelText),
  },
  f.closed,
);

/** Where a copy of what a container prints goes: each line as it comes, at most once. */
const logSink = Type.Object(
  {
    /** `redis`: PUBLISH to the channel that the path names; `http`: POST of lines; `file`: kept here. */
    kind: f.oneOf('redis', 'http', 'file'),
    to: Type.Optional(f.urlText),
    /** Of a `file`: how much of the newest is kept. */
    sizeBytes: Type.Optional(f.bytesCount),
  },
  f.closed,
);

/** A program and what it may see and do. What is left out is as the image has it. */
const container = Type.Object(
  {
    /** Images have no other name. */
    flist: f.digestText,
    entrypoint: Type.Optional(words),
    args: Type.Optional(words),
    env: Type.Array(Type.Object({ name: variable, value: f.text(4096) }, f.closed), {
      maxItems: f.listMax,
    }),
    /** Secrets of the contract, by the name of the variable that holds them. */
    secretEnv: Type.Array(Type.Object({ name: variable, secret: f.labelText }, f.closed), {
      maxItems: 64,
    }),
    /** `user`, `uid`, `user:group` or `uid:gid`. */
    user: Type.Optional(f.text(64)),
    workingDir: Type.Optional(path),
    /** What may be written over the image; part of `resources.ssdBytes`. */
    rootBytes: f.bytesCount,
    isReadOnly: Type.Boolean(),
    /** `image-only`: nothing but files of the image can be started; needs `isReadOnly`. */
    exec: f.oneOf('any', 'image-only'),
    /** Processes and threads. */
    pids: Type.Integer({ minimum: 1, maximum: 32_768 }),
    /** Volumes of the contract on the same node: the replica of that role with the same number. */
    volumes: Type.Array(
      Type.Object({ role: f.labelText, path, isReadOnly: Type.Boolean() }, f.closed),
      { maxItems: 32 },
    ),
    files: Type.Array(containerFile, { maxItems: 64 }),
    /** `publish`: also at this port of the node's address. */
    ports: Type.Array(
      Type.Object(
        {
          name: f.labelText,
          port,
          protocol: f.oneOf('tcp', 'udp'),
          publish: Type.Optional(port),
        },
        f.closed,
      ),
      { maxItems: 64 },
    ),
    stop: Type.Object(
      {
        signal: Type.String({ pattern: '^SIG[A-Z0-9+-]{2,12}$' }),
        graceSeconds: Type.Integer({ minimum: 0, maximum: 3600 }),
      },
      f.closed,
    ),
    logs: Type.Array(logSink, { maxItems: 8 }),
    /** Where its use of processor, memory and processes is told. */
    stats: Type.Optional(Type.Object({ to: f.urlText, everySeconds: seconds }, f.closed)),
  },
  f.closed,
);
export type Container = Static<typeof container>;

/** How often something is made, and how many of them are kept. */
const rhythm = Type.Object(
  { everySeconds: Type.Integer({ minimum: 60, maximum: 31_536_000 }), keep: f.count },
  f.closed,
);

/** A disk of its own that outlives whatever uses it. It grows by a larger `sizeBytes`, never shrinks. */
const volume = Type.Object(
  {
    sizeBytes: f.bytesCount,
    disk: f.oneOf('ssd', 'hdd'),
    snapshots: Type.Optional(rhythm),
    backups: Type.Optional(rhythm),
    /** Begins as a copy of another volume of the contract on the same node. */
    cloneOf: Type.Optional(f.labelText),
    /** Begins with what this backup has. */
    restore: Type.Optional(f.text(128)),
  },
  f.closed,
);
export type Volume = Static<typeof volume>;

/** A namespace of a Zero-DB. */
const zdb = Type.Object(
  {
    mode: f.oneOf('user', 'seq'),
    sizeBytes: f.bytesCount,
    disk: f.oneOf('ssd', 'hdd'),
    /** Secret of the contract with which one may write. */
    password: f.labelText,
    /** Whether one may read without the password. */
    isPublic: Type.Boolean(),
  },
  f.closed,
);
export type ZdbNamespace = Static<typeof zdb>;

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
    kind: f.oneOf('container', 'volume', 'zdb', 'gateway'),
    container: Type.Optional(container),
    volume: Type.Optional(volume),
    zdb: Type.Optional(zdb),
    gateway: Type.Optional(gateway),
  },
  f.closed,
);
export type Workload = Static<typeof workload>;

/** How to find out whether a replica works. */
const health = Type.Object(
  {
    probe: f.oneOf('process', 'tcp', 'http', 'exec'),
    port: Type.Optional(f.labelText),
    /** Of `http`: answers of 200 to 399 are good. */
    path: Type.Optional(f.text(512)),
    /** Of `exec`: run in the container; 0 is good. */
    command: Type.Optional(words),
    everySeconds: seconds,
    timeoutSeconds: seconds,
    /** So many probes in a row decide. */
    failures: Type.Integer({ minimum: 1, maximum: 100 }),
    /** So long failures do not count. */
    startSeconds: seconds,
  },
  f.closed,
);
export type Health = Static<typeof health>;

/** Whether it is started again when it ends, and after which pause, which doubles up to `delayMaxMs`. */
const restart = Type.Object(
  {
    policy: f.oneOf('always', 'on-failure', 'never'),
    delayMs: Type.Integer({ minimum: 100, maximum: 3_600_000 }),
    delayMaxMs: Type.Integer({ minimum: 100, maximum: 3_600_000 }),
  },
  f.closed,
);

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
    restart,
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

let roleValidator: Validator<{}, typeof contractRole> | undefined;

/** @throws MODEL_RECORD_INVALID with the place of the first fault in `details.path` */
export function parseRole(value: unknown): ContractRole {
  const validator = (roleValidator ??= Compile(contractRole));
  if (validator.Check(value)) return value;
  const fault = validator.Errors(value).at(0);
  const place = fault?.instancePath ?? '';
  throw new GridError<ModelErrorCode>(
    'MODEL_RECORD_INVALID',
    `no role: ${place} ${fault?.message ?? 'does not fit'}`,
    { details: { path: place } },
  );
}
