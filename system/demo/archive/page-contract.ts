import type { ContractDefinition } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';

import { stakeholders } from '../demo-town.ts';
import { money } from '../town-plan.ts';

/** Port of the page, at the address of its node. */
export const pagePort = 8081;

/** What it may cost a month, TFT. */
const monthlyMax = 5;

export interface PageVersion {
  /** What it says; it stands in a command of a shell. */
  readonly text: string;
  /** The version that it takes the place of. */
  readonly replaces?: ContractId;
  /** Whether it answers at all. */
  readonly answers?: false;
}

/**
 * The page of the archive. It is a contract of its own: an upgrade takes no data along, so what changes often is
 * apart from what has data. The board signs each version, two of three.
 */
export function pageContract({ text, replaces, answers }: PageVersion): ContractDefinition {
  const most = String(BigInt(monthlyMax) * 10n ** BigInt(money.decimals)) as `${bigint}`;
  const serve = `echo '${text}' > /tmp/index.html; exec httpd -f -p 80 -h /tmp`;
  return {
    name: 'archive-page',
    days: 1,
    policy: { provision: [{ role: 'board', signers: stakeholders, min: 2 }] },
    budget: { currency: money.code, perMonth: most, total: most },
    heal: { suspectAfterMs: 3_000, replaceAfterMs: 10_000, maxPerHour: 1_000 },
    ...(replaces === undefined ? {} : { replaces, mayRollBack: true }),
    roles: [
      {
        ...{ name: 'web', cpu: 0.25, memory: '32MiB' },
        container: {
          ...{ image: 'base', rootBytes: '16MiB' },
          entrypoint: ['/bin/sh', '-c', answers === false ? 'exec sleep 86400' : serve],
          stop: { signal: 'SIGKILL', graceSeconds: 1 },
          ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: pagePort }],
        },
        health: {
          ...{ probe: 'http', port: 'http', path: '/', everySeconds: 1 },
          startSeconds: answers === false ? 5 : 60,
        },
      },
    ],
  };
}
