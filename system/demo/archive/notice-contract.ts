import type { ContractDefinition } from '@commongrid/contract';

import { stakeholders } from '../demo-town.ts';
import { money } from '../town-plan.ts';

/** What it may cost a month, TFT. */
const monthlyMax = 5;

/** What a node reaches at the address of the container. */
const port = 80;

/**
 * A notice that has to stay in one country, by a contract of its own. Nothing starts in its container but what its
 * image has. The board of the archive signs it, two of three.
 */
export function noticeContract(country: string): ContractDefinition {
  const most = String(BigInt(monthlyMax) * 10n ** BigInt(money.decimals)) as `${bigint}`;
  const serve = `echo notice > /tmp/index.html; exec httpd -f -p ${port} -h /tmp`;
  return {
    name: 'archive-notice',
    days: 1,
    policy: { provision: [{ role: 'board', signers: stakeholders, min: 2 }] },
    budget: { currency: money.code, perMonth: most, total: most },
    heal: {
      ...{ suspectAfterMs: 3_000, replaceAfterMs: 10_000, maxPerHour: 1_000 },
      mayMoveTo: { countries: [country] },
    },
    roles: [
      {
        ...{ name: 'web', cpu: 0.25, memory: '32MiB' },
        container: {
          ...{ image: 'base', isReadOnly: true, exec: 'image-only' },
          entrypoint: ['/bin/sh', '-c', serve],
          stop: { signal: 'SIGKILL', graceSeconds: 1 },
          ports: [{ name: 'http', port, protocol: 'tcp' }],
        },
        health: { probe: 'http', port: 'http', path: '/', everySeconds: 1, startSeconds: 60 },
      },
    ],
  };
}
