import type { Finding } from '@commongrid/node';

/** What a machine lacks to be a node. */
export interface MachineLack {
  readonly missing: readonly Finding[];
  /** Packages of Debian that bring it. */
  readonly packages: readonly string[];
  /** What is to be done beside installing them. */
  readonly steps: readonly string[];
}

/** Without these a node runs, slower, with fewer kinds of disks, or with the disk that it has. */
export const nodeDispensable: ReadonlySet<string> = new Set([
  'erofs',
  'btrfs',
  'mkfs.ext4',
  'disk',
]);

/** Tries what a node needs of this machine. @param folder of the node */
export async function lackOfMachine(folder: string): Promise<MachineLack> {
  const { examineMachine } = await import('@commongrid/node');
  const findings = await examineMachine(folder);
  const missing = findings.filter(({ isOk, name }) => !isOk && !nodeDispensable.has(name));
  const packages = missing.flatMap(({ next = '' }) => packagesOf(next));
  const steps = missing.flatMap(({ next = '' }) => (packagesOf(next).length > 0 ? [] : [next]));
  return { missing, packages: [...new Set(packages)], steps: [...new Set(steps)] };
}

/** The packages that a next step installs. */
function packagesOf(step: string): readonly string[] {
  return step.startsWith(install) ? step.slice(install.length).split(' ') : [];
}

/** The same for people: `apt-get install A B`. */
export function installStep(packages: readonly string[]): string {
  return `${install}${packages.join(' ')}`;
}

const install = 'apt-get install ';
