import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { AuditReport } from '@commongrid/contract';

import { root, run } from '../../e2e/grid-process.ts';
import type { DemoTown } from '../demo-town.ts';
import type { DemoStep } from '../steps.ts';
import { contractOf, must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';

interface Verified {
  readonly isSound: boolean;
  readonly isTrustGiven: boolean;
  readonly toldCount: number;
  readonly report: AuditReport;
}

/**
 * All that became of the contract, in a file that shows it with nothing beside it: it is verified where there is no
 * network. One byte that is another one is found.
 */
export const auditStep: DemoStep<ArchiveScene> = {
  name: 'audit',
  needs: ['signatures'],
  async run(scene) {
    const { town, random } = scene;
    const { id } = contractOf(scene);
    const file = join(town.grid.home, 'archive.audit.json');
    await town.as('buyer', 'contract', 'audit', id, '--export', file);
    const { status, stdout } = await verifyAlone(town, file);
    must(status === 0, `the audit is not sound: ${stdout}`);
    const { isSound, isTrustGiven, toldCount, report } = JSON.parse(stdout) as Verified;
    must(isSound && isTrustGiven && report.contract === id, 'it is the audit of something else');
    const signers = new Set(report.signatures.map(({ name }) => name));
    for (const name of ['buyer', 'expert', 'business']) {
      must(signers.has(name), `the audit does not say that ${name} signed`);
    }
    const bytes = await readFile(file);
    const at = random.int(0, bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    const bent = join(town.grid.home, 'bent.audit.json');
    await writeFile(bent, bytes);
    const found = await verifyAlone(town, bent);
    must(found.status !== 0, `byte ${at} was changed, and nobody saw it`);
    const { code } = JSON.parse(found.stdout) as { readonly code: string };
    const what = `${toldCount} records, ${report.signatures.length} signatures of ${signers.size} people, ${report.keys.length} keys`;
    return `${what}, verified with nothing but the file; with byte ${at} of ${bytes.length} changed: ${code}`;
  },
};

/** Verifies a file in a namespace that has no network, with no home to look into. */
function verifyAlone({ trust, grid }: DemoTown, file: string) {
  const words = ['audit', 'verify', file, '--log', trust.log, '--sequencer', trust.sequencerKey];
  return run('unshare', ['--net', join(root, 'grid'), ...words, '--json'], {
    env: { GRID_HOME: join(grid.home, 'nobody') },
  });
}
