import { randomBytes } from 'node:crypto';

import type { ContractDefinition } from '@commongrid/contract';

import { stakeholders, systemImage } from '../demo-town.ts';
import { money } from '../town-plan.ts';
import { memberCount, namespaceSizes, headRootBytes } from './archive-sizes.ts';
import type { Shards } from './archive-sizes.ts';

/** What it may cost a month, TFT. */
export const monthlyMax = 40;

/** Heads of S3: one serves, the other one stands by on a farm of its own. */
const headCount = 2;
/** Port on which nodes publish S3. */
export const s3Port = 9000;

/** Who may do everything in the store of an archive, and what only its heads know. */
export interface StoreSecrets {
  readonly accessKey: string;
  readonly secretKey: string;
  /** 32 bytes, base64url. */
  readonly storeKey: string;
}

/** Drawn, for an archive that is new. */
export function newStoreSecrets(): StoreSecrets {
  return {
    accessKey: 'archive-admin',
    secretKey: randomBytes(20).toString('hex'),
    storeKey: randomBytes(32).toString('base64url'),
  };
}

/** How many places the contract has. */
export function placesOf(shards: Shards): number {
  return shards.data + shards.parity + 2 * memberCount(shards) + headCount;
}

export interface ArchiveChoices {
  readonly shards: Shards;
  /** Of the objects that it is to hold, bytes. */
  readonly dataBytes: number;
  readonly secrets: StoreSecrets;
}

/**
 * The archive: shards of a store, its log and its keys, each on as many machines and no more in one farm than may be
 * lost; and heads of S3 in two farms. The board signs it, two of three.
 */
export function archiveContract({
  shards,
  dataBytes,
  secrets: { accessKey, secretKey, storeKey },
}: ArchiveChoices): ContractDefinition {
  const { data, parity } = shards;
  const most = String(BigInt(monthlyMax) * 10n ** BigInt(money.decimals)) as `${bigint}`;
  const sizes = namespaceSizes(shards, dataBytes);
  const zdbOf = (size: number) => ({ size, password: 'admin' });
  const spread = { distinctNodes: true, perFarm: parity };
  const members = { replicas: memberCount(shards), data: 'dispersed', spread } as const;
  return {
    name: 'archive',
    days: 1,
    secrets: { admin: { generate: 32 }, key: storeKey, first: `${accessKey}:${secretKey}` },
    policy: { provision: [{ role: 'board', signers: stakeholders, min: 2 }] },
    budget: { currency: money.code, perMonth: most, total: most },
    heal: { suspectAfterMs: 3_000, replaceAfterMs: 10_000, maxPerHour: 1_000 },
    roles: [
      {
        ...{ name: 'shards', shards: `${data}+${parity}`, data: 'dispersed', spread },
        zdb: zdbOf(sizes.shard),
      },
      { name: 'log', ...members, zdb: zdbOf(sizes.log) },
      { name: 'keys', ...members, zdb: zdbOf(sizes.keys) },
      headRole(shards),
    ],
  };
}

type Role = ContractDefinition['roles'][number];

function headRole({ data, parity }: Shards): Role {
  const file = (name: string, secret: string) => ({
    ...{ path: `/run/grid/${name}`, mode: 0o400, secret },
  });
  const args = [
    ...['s3', 'serve', '--contract', '--policy', `${data}+${parity}`],
    ...['--password-file', '/run/grid/password', '--key', '/run/grid/key'],
    ...['--first-key-file', '/run/grid/first', '--data', '/var/lib/grid/s3'],
    ...['--listen', `0.0.0.0:${s3Port}`],
  ];
  return {
    ...{ name: 'heads', replicas: headCount, cpu: 1.5, memory: '1GiB' },
    spread: { distinctNodes: true, perFarm: 1 },
    container: {
      ...{ image: systemImage, args, rootBytes: headRootBytes },
      files: [file('password', 'admin'), file('key', 'key'), file('first', 'first')],
      ports: [{ name: 's3', port: s3Port, protocol: 'tcp', publish: s3Port }],
    },
  };
}

/** A contract that nobody ever places, since the bot that is to do it does not run: one place, for which somebody pays. */
export function idleContract(): ContractDefinition {
  const most = String(10n ** BigInt(money.decimals)) as `${bigint}`;
  return {
    name: 'never-placed',
    days: 1,
    controllers: ['legal'],
    budget: { currency: money.code, perMonth: most, total: most },
    secrets: { admin: { generate: 32 } },
    roles: [{ name: 'spare', zdb: { size: '128MiB', password: 'admin' } }],
  };
}
