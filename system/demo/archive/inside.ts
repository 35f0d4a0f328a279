import type { ContractId } from '@commongrid/model';

import type { DemoNode } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';
import { must } from './archive-scene.ts';

/** The only program of the images in which contracts of the demo serve pages. */
const program = '/bin/busybox';

/** Where a container runs that has files in memory at `/tmp`, or may write there. */
interface Place {
  readonly id: ContractId;
  readonly node: DemoNode;
}

/** SHA-256 of the program in a container of the buyer. */
export async function programSum(town: DemoTown, place: Place): Promise<string> {
  const [sum = ''] = (await inside(town, place, `sha256sum ${program}`)).split(' ');
  must(/^[0-9a-f]{64}$/.test(sum), `the sum of ${program} is "${sum}"`);
  return sum;
}

/** Whether a container lets its program be written over. */
export async function mayOverwrite(town: DemoTown, place: Place): Promise<boolean> {
  return (await inside(town, place, `true >> ${program}; echo $?`)) === '0';
}

/** Whether a copy of the program, with a byte more, starts in a container. @throws when it cannot even be written */
export async function mayStartAltered(town: DemoTown, place: Place): Promise<boolean> {
  const copy = '/tmp/busybox';
  const alter = `cp ${program} ${copy} && printf x >> ${copy} && test -x ${copy}`;
  const status = await inside(town, place, `${alter} || exit; ${copy} true; echo $?`);
  // That of a shell for what it may not start.
  must(status === '0' || status === '126', `an altered program ended with "${status}"`);
  return status === '0';
}

/** What a line of a shell prints in a container, as its owner has it run on the machine where that is. */
async function inside(town: DemoTown, { id, node }: Place, line: string): Promise<string> {
  town.signal.throwIfAborted();
  const words = ['exec', '--data', node.folder, id, '--', '/bin/sh', '-c', line];
  const { status, stdout, stderr } = await town.grid.run(...words);
  must(status === 0, `on ${node.name}: ${line}: ${status} ${stdout}${stderr}`);
  return stdout.trim();
}
