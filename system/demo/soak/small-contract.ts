import type { ContractDefinition } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';

import { money } from '../town-plan.ts';

/** What a small contract of the buyer has. */
export type SmallKind = 'page' | 'volume' | 'namespace';

export const smallKinds: readonly SmallKind[] = ['page', 'volume', 'namespace'];

/** What it may cost a month, TFT. */
const monthlyMax = 5;

export interface SmallChoices {
  readonly name: string;
  readonly kind: SmallKind;
  /** The version that it takes the place of. */
  readonly replaces?: ContractId;
  /** Whether it does what its probe asks for. */
  readonly works: boolean;
}

type Role = ContractDefinition['roles'][number];

/** A contract of the buyer alone, for a while. */
export function smallContract({ name, kind, replaces, works }: SmallChoices): ContractDefinition {
  const most = String(BigInt(monthlyMax) * 10n ** BigInt(money.decimals)) as `${bigint}`;
  return {
    name,
    days: 1,
    budget: { currency: money.code, perMonth: most, total: most },
    heal: { suspectAfterMs: 3_000, replaceAfterMs: 10_000, maxPerHour: 1_000 },
    ...(kind === 'namespace' ? { secrets: { admin: { generate: 32 } } } : {}),
    ...(replaces === undefined ? {} : { replaces, mayRollBack: true }),
    roles: rolesOf(kind, works),
  };
}

/** Replicas of all its roles. */
export function smallPlaces(kind: SmallKind): number {
  return kind === 'volume' ? 2 : 1;
}

function rolesOf(kind: SmallKind, works: boolean): readonly Role[] {
  if (kind === 'namespace') return [{ name: 'space', zdb: { size: '32MiB', password: 'admin' } }];
  if (kind === 'page') return [pageRole(works)];
  return [{ name: 'disk', volume: { size: '16MiB' } }, writerRole()];
}

const small = { cpu: 0.05, memory: '32MiB' } as const;
const stop = { signal: 'SIGKILL', graceSeconds: 1 } as const;

function pageRole(works: boolean): Role {
  const serve = 'echo soak > /tmp/index.html; exec httpd -f -p 80 -h /tmp';
  return {
    ...{ name: 'web', ...small },
    container: {
      ...{ image: 'base', rootBytes: '16MiB', stop },
      entrypoint: ['/bin/sh', '-c', works ? serve : 'exec sleep 86400'],
      ports: [{ name: 'http', port: 80, protocol: 'tcp' }],
    },
    health: {
      ...{ probe: 'http', port: 'http', path: '/', everySeconds: 1 },
      startSeconds: works ? 60 : 5,
    },
  };
}

function writerRole(): Role {
  const write = 'while date >> /data/log; do sleep 1; done';
  return {
    ...{ name: 'writer', after: ['disk'], ...small },
    container: {
      ...{ image: 'base', rootBytes: '16MiB', stop },
      entrypoint: ['/bin/sh', '-c', write],
      volumes: [{ role: 'disk', path: '/data', isReadOnly: false }],
    },
    health: {
      ...{ probe: 'exec', command: ['/bin/sh', '-c', 'test -s /data/log'] },
      ...{ everySeconds: 2, startSeconds: 60 },
    },
  };
}
