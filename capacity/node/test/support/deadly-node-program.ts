import { once } from 'node:events';
import { readFileSync } from 'node:fs';

import type { Driver } from '../../src/index.ts';
import type { DeadlyMoment } from './deadly-moment.ts';
import { openPlanned } from './node-town.ts';
import type { NodePlan } from './node-town.ts';

/**
 * The node of a plan, which ends itself by SIGKILL at the moment that a file names: `PLAN FILE`. Begins
 * at the end of its input, and looks into the file at each call of a driver.
 */
const [planText = '', momentFile = ''] = process.argv.slice(2);
const plan: NodePlan = JSON.parse(planText);

// Whoever started it says when.
await once(process.stdin.resume(), 'end');
await openPlanned(plan, deadly);

function deadly(driver: Driver): Driver {
  return new Proxy(driver, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        const call = `${driver.constructor.name}.${String(name)}`;
        const moment = momentOf(call);
        if (moment === undefined) return Reflect.apply(value, target, args);
        if (moment.afterMs === 0) die();
        if (moment.afterMs !== 'end') setTimeout(die, moment.afterMs);
        const result: unknown = Reflect.apply(value, target, args);
        return Promise.resolve(result).finally(die);
      };
    },
  });
}

function momentOf(call: string): DeadlyMoment | undefined {
  const text = readFileSync(momentFile, 'utf8');
  if (text === '') return undefined;
  const moment: DeadlyMoment = JSON.parse(text);
  return moment.call === call ? moment : undefined;
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}
