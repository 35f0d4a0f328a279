import { readdir, readFile, readlink } from 'node:fs/promises';

/** The state of a socket that listens, in /proc/net. */
const listening = '0A';

/** Addresses where a process listens over TCP, as the kernel writes them: `0100007F:1F90`. */
export async function listeningAddresses(pid: number): Promise<readonly string[]> {
  const inodes = new Set<string>();
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    // One that was open for the list itself is gone by now.
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
    if (inode !== undefined) inodes.add(inode);
  }
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')),
  );
  return tables
    .flatMap((text) => text.trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((row) => row[3] === listening && inodes.has(row[9] ?? ''))
    .map((row) => row[1] ?? '');
}
