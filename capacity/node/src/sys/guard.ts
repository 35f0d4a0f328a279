import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { errorCode, GridError, identityOf, waitForEnd, withTimeout } from '@commongrid/base';
import type { ProcessIdentity } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import type { CgroupFiles } from './cgroup.ts';
import { runtimeVariables } from './runc.ts';

/** How long a container may run while its node is not heard. */
export interface GuardLimit {
  /** A line `BOOT MS`: when the node was heard last, by the clock of the machine's run. On no disk. */
  readonly heardFile: string;
  /** From that moment to the kill, ms. */
  readonly cutOffMs: number;
}

export interface GuardOptions extends GuardLimit {
  /** Of the container, which is made. The guard ends once this folder is gone. */
  readonly bundleFolder: string;
  readonly cgroup: CgroupFiles;
}

/**
 * Sees to it that a guard watches over a container: a shell that sleeps until the deadline, looks
 * whether it was moved, and else kills all in the container. It needs neither the agent nor conmon, and
 * no disk.
 * @throws NODE_CONTAINER_FAILED, BASE_TIMEOUT
 */
export async function ensureGuard(options: GuardOptions): Promise<void> {
  const { bundleFolder, heardFile, cutOffMs, cgroup } = options;
  if ((await guardOf(bundleFolder)) !== undefined) return;
  const limits = [heardFile, String(Math.floor(cutOffMs)), String(longestSleepMs)];
  const words = [bundleFolder, ...limits, cgroup.processes, cgroup.freezer, cgroup.thawed];
  const child = spawn('/bin/sh', ['-c', guardScript, ...words], {
    cwd: bundleFolder,
    // A session of its own: no signal to the agent's group is for it, and it ends with what it started.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: runtimeVariables,
  });
  const said = text(child.stderr);
  const begun = Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  const what = `a guard of ${bundleFolder} to begin`;
  const [answer] = await withTimeout(() => begun, { timeoutMs: beginTimeoutMs, what });
  child.stdout.destroy();
  child.unref();
  if (answer instanceof Buffer) return;
  throw new GridError<NodeErrorCode>(
    'NODE_CONTAINER_FAILED',
    `nothing watches over a single writer: ${(await said).trim()}`,
    { retryable: true },
  );
}

/** Ends the guard of a container, if there is one. @throws BASE_TIMEOUT */
export async function endGuard(bundleFolder: string): Promise<void> {
  const guard = await guardOf(bundleFolder);
  if (guard === undefined) return;
  try {
    // With what it sleeps by.
    process.kill(-guard.pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
  await waitForEnd(guard, beginTimeoutMs);
}

/** The number of the guard of a container; undefined for none that lives. Two small files are read, at once. */
export function guardPid(bundleFolder: string): number | undefined {
  const pid = Number(textOf(join(bundleFolder, pidFile)));
  if (!(pid > 1)) return undefined;
  // Another process may have its number by now.
  return textOf(`/proc/${pid}/cmdline`).split('\0').includes(bundleFolder) ? pid : undefined;
}

/** The guard of a container, while it lives. */
async function guardOf(bundleFolder: string): Promise<ProcessIdentity | undefined> {
  const pid = guardPid(bundleFolder);
  return pid === undefined ? undefined : identityOf(pid);
}

/** Empty where there is nothing, or nothing can be read: a process may just be ending. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** In a bundle. */
const pidFile = 'guard.pid';

const beginTimeoutMs = 10_000;

/** A clock that leaps while it sleeps, as that of a machine that was suspended, is seen so late at most. */
const longestSleepMs = 10_000;

/**
 * `BUNDLE HEARD CUT_OFF_MS LONGEST_MS PROCESSES FREEZER THAWED`, in the folder of the bundle: when that is
 * gone, another container of the same name is none of its business. Only sleep and cat are programs.
 */
const guardScript = `
heard_file=$1 cut_off=$2 longest=$3 processes=$4 freezer=$5 thawed=$6
# Who asked for it may end before it hears that this one is ready.
trap '' PIPE
echo -1000 2> /dev/null > /proc/self/oom_score_adj
look_at_clock() {
  read -r up rest < /proc/uptime
  hundredths=1\${up#*.}
  now=$((\${up%.*} * 1000 + (hundredths - 100) * 10))
}
look_at_clock
heard=$now
echo $$ > ${pidFile}.new && mv ${pidFile}.new ${pidFile} || exit
echo ready
exec > /dev/null 2>&1
while [ -e pid ]; do
  boot= at=
  { read -r boot at < "$heard_file"; } 2> /dev/null
  case $at in '' | *[!0-9]*) ;; *) heard=$at ;; esac
  look_at_clock
  left=$((heard + cut_off - now))
  [ $left -gt 0 ] || break
  [ $left -lt $longest ] || left=$longest
  thousandths=$((1000 + left % 1000))
  sleep $((left / 1000)).\${thousandths#1}
done
while [ -e pid ]; do
  any=
  for one in $(cat "$processes"); do
    [ $one -gt 1 ] && any=1 && kill -9 $one
  done
  echo $thawed > "$freezer"
  [ "$any" ] || exit 0
  sleep 0.05
done
`;
