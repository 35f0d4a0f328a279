import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';

/** nsenter becomes one of the others. */
const programs: ReadonlySet<string> = new Set(['nsenter', 'conmon', 'runc']);

/**
 * Ends every conmon and runc that works on one container: those that a killed agent left behind in
 * the middle of making it. What they leave is looked for after them.
 * @param words arguments of theirs, of which each has to be there: a folder, an id
 */
export async function endStrays(words: readonly string[]): Promise<void> {
  // One that starts another and ends while the table is read is not in it; its child is in the next.
  for (let quiet = 0; quiet < 2;) {
    quiet = (await killAll(words)) ? 0 : quiet + 1;
  }
}

async function killAll(words: readonly string[]): Promise<boolean> {
  let isAnyFound = false;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const args = await argumentsOf(name);
    const program = basename(args[0] ?? '');
    if (!programs.has(program)) continue;
    if (!words.every((word) => args.includes(word))) continue;
    isAnyFound = endProcess(Number(name)) || isAnyFound;
  }
  return isAnyFound;
}

/** Whether it was there to be ended. */
export function endProcess(pid: number): boolean {
  // 0 and less are groups of processes, ours among them.
  assert(pid > 1, 'a process is ended by its own number');
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}

/** Empty for what has ended, and for threads of the kernel. */
async function argumentsOf(pid: string): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text === '' ? [] : text.split('\0').slice(0, -1);
}
