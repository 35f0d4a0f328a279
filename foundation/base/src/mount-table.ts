import { readFile } from 'node:fs/promises';

/** What is visible at a place, if something is mounted there. */
export async function mountAt(target: string): Promise<MountEntry | undefined> {
  return (await readMounts()).findLast((entry) => entry.target === target);
}

/** One line of /proc/self/mountinfo: proc(5). */
export interface MountEntry {
  readonly id: number;
  /** Major and minor of the file system: the same for all mounts of one. */
  readonly device: string;
  /** Which folder of the file system is mounted. */
  readonly root: string;
  readonly target: string;
  readonly type: string;
  readonly source: string;
}

/** All mounts that this process sees; where several are at one place the last is the visible one. */
export async function readMounts(): Promise<readonly MountEntry[]> {
  return parseMounts(await readFile('/proc/self/mountinfo', 'latin1'));
}

export function parseMounts(mountinfo: string): readonly MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of mountinfo.split('\n')) {
    const [before = '', behind = ''] = line.split(' - ');
    const [id = '', , device = '', root = '', target = ''] = before.split(' ');
    const [type = '', source = ''] = behind.split(' ');
    if (target === '') continue;
    entries.push({
      id: Number(id),
      device,
      root: unescaped(root),
      target: unescaped(target),
      type,
      source: unescaped(source),
    });
  }
  return entries;
}

/** Blank, tab, newline and backslash are octal there. Paths are UTF-8. */
function unescaped(field: string): string {
  const bytes = field.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
