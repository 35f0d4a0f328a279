import { delay } from '@commongrid/base';

import { LogRing } from '../../src/logs/log-ring.ts';
import { reopenUnder } from './printing-container.ts';

/** An agent that does nothing but keep one log to its size. */
const [folder = '', bundle = '', totalBytes] = process.argv.slice(2);
const reopen = (): Promise<boolean> => reopenUnder(bundle);
using ring = await LogRing.open({ folder, totalBytes: Number(totalBytes), reopen });
for (;;) {
  await ring.rotate();
  await delay(1);
}
