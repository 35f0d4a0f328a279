import { run } from '../e2e/grid-process.ts';

/** What has a name of a node in it, by how the name begins there. */
const looks: readonly (readonly [string, (prefix: string) => string])[] = [
  ['ls -1 /run/netns | sed "s/^/netns /"', (prefix) => `netns ${prefix}`],
  ['ls -d /run/commongrid-*', (prefix) => `commongrid-${prefix}`],
  [
    'ls -d /sys/fs/cgroup/*.containers /sys/fs/cgroup/*/*.containers',
    (prefix) => `/${prefix}.containers`,
  ],
  ['nft list tables', (prefix) => `inet ${prefix}_`],
  ['ip -o link', (prefix) => ` ${prefix}`],
];

/**
 * All that nodes have in the kernel of this machine, processes apart, a line each: mounts, loops, namespaces, cgroups, links,
 * tables of the packet filter.
 * @param folder of their disks @param prefixes of their names
 */
export async function remainsOf(
  folder: string,
  prefixes: readonly string[],
): Promise<readonly string[]> {
  const ofFolder = ['cat /proc/self/mountinfo', 'losetup --list --noheadings'];
  const found = await Promise.all([
    ...ofFolder.map((command) => linesWith(command, [folder])),
    ...looks.map(([command, mark]) => linesWith(command, prefixes.map(mark))),
  ]);
  return found.flat();
}

async function linesWith(command: string, marks: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await run('sh', ['-c', `${command} 2>/dev/null`]);
  return stdout.split('\n').filter((line) => marks.some((mark) => line.includes(mark)));
}
