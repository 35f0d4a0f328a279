import { execFile, spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { throwIfAborted } from '@commongrid/base';
import { atMostRow, costRow, cpuSecondsOf, interleave, median } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import { unmount } from '../src/sys/mounts.ts';
import { ServiceHarness } from '../test/mount-harness.ts';

const mountName = 'mount + first program, all cached';
const freshName = 'find with sizes, all cached, just mounted';
const cachedName = 'find with sizes, all cached, again';
const lazyName = 'find with sizes, lazily over FUSE, just mounted';

const execute = promisify(execFile);
const grid = fileURLToPath(new URL('../../../grid', import.meta.url));

/** An image of 10,002 entries: busybox, and folders of 99 files of 0.5 to 5.5 kB. */
const folders = 100;
const filesOfFolder = 99;

const mountsOfRound = 8;
const findsOfRound = 5;

/**
 * How long until the first program of an image has run, and until all of its names have been listed
 * with their sizes. The rivals hold the same tree: an ext4 on a loop device, and a squashfs that
 * squashfuse shows.
 */
export async function mountRows(options: BenchOptions, folder: string): Promise<BenchRow[]> {
  const { only = '', note } = options;
  const isWanted = (name: string): boolean => name.includes(only);
  if (![mountName, freshName, cachedName, lazyName].some(isWanted)) return [];
  note('an image of 10,000 entries');
  const tree = join(folder, 'mount-tree');
  await makeTree(tree);
  await using stack = new AsyncDisposableStack();
  const harness = await ServiceHarness.open({ after: (fn) => stack.defer(fn) });
  const { path: flist } = await harness.make(tree);
  const bench: Bench = { options, folder, tree, harness, flist };
  const rows: BenchRow[] = [];
  if (isWanted(lazyName)) rows.push(await lazyRow(bench));
  await harness.start();
  await harness.ask('prefetch', { flist, whole: true });
  if (isWanted(freshName) || isWanted(cachedName)) rows.push(...(await cachedRows(bench)));
  if (isWanted(mountName)) rows.push(await mountRow(bench));
  return rows.filter(({ name }) => isWanted(name));
}

interface Bench {
  readonly options: BenchOptions;
  readonly folder: string;
  /** What the image was made of. */
  readonly tree: string;
  readonly harness: ServiceHarness;
  readonly flist: string;
}

async function makeTree(tree: string): Promise<void> {
  await mkdir(join(tree, 'bin'), { recursive: true });
  await copyFile('/bin/busybox', join(tree, 'bin', 'busybox'));
  await chmod(join(tree, 'bin', 'busybox'), 0o755);
  await symlink('busybox', join(tree, 'bin', 'sh'));
  for (let at = 0; at < folders; at++) {
    const within = join(tree, `folder-${at}`);
    await mkdir(within);
    for (let file = 0; file < filesOfFolder; file++) {
      const words = `file ${file} of folder ${at}\n`;
      await writeFile(
        join(within, `file-${file}`),
        Buffer.alloc(500 + ((at * file) % 5_000), words),
      );
    }
  }
}

/** From the order to the service until `true` of the image's busybox has ended. */
async function mountRow(bench: Bench): Promise<BenchRow> {
  const { options, harness } = bench;
  const [asked, commanded]: [Sample[], number[]] = [[], []];
  await mountedOnce(bench);
  for (let round = 0; round < options.rounds; round++) {
    throwIfAborted(options.signal);
    options.note(`${mountName}, round ${round + 1}`);
    for (let time = 0; time < mountsOfRound; time++) asked.push(await mountedOnce(bench));
    commanded.push(await commandedOnce(bench));
  }
  const pid = await harness.servicePid();
  process.kill(pid, 'SIGKILL');
  await harness.servicePid(pid);
  const first = await mountedOnce(bench);
  const note = [
    `${median(asked.map(({ cpuMs }) => cpuMs)).toFixed(0)} ms of CPU time of the service`,
    `${median(commanded).toFixed(0)} ms with the command \`grid flist mount\``,
    `the first after a start of the service ${first.wallMs.toFixed(0)} ms`,
  ].join('; ');
  const ours = median(asked.map(({ wallMs }) => wallMs));
  return atMostRow({ name: mountName, unit: 'ms', ours, must: 60, note });
}

interface Sample {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function mountedOnce({ harness, flist }: Bench): Promise<Sample> {
  const pid = await harness.servicePid();
  const cpuBefore = await cpuSecondsOf(pid);
  const start = performance.now();
  const target = await harness.mount({ path: flist }, { id: 'bench', mode: 'overlay' });
  runTrue(target);
  const wallMs = performance.now() - start;
  const cpuMs = ((await cpuSecondsOf(pid)) - cpuBefore) * 1_000;
  await harness.ask('unmount', { id: 'bench' });
  return { wallMs, cpuMs };
}

/** Milliseconds, with the start of Node. */
async function commandedOnce({ harness, flist, folder }: Bench): Promise<number> {
  const target = join(folder, 'mount-commanded');
  const env = { ...process.env, GRID_HOME: join(folder, 'mount-home') };
  const start = performance.now();
  await execute(grid, ['flist', 'mount', flist, target, '--store', harness.store], { env });
  runTrue(target);
  const wallMs = performance.now() - start;
  await harness.ask('unmount', { target });
  return wallMs;
}

/** Waited for at once: pipes and events of this process are none of the program's time. */
function runTrue(root: string): void {
  const { status } = spawnSync('chroot', [root, '/bin/busybox', 'true'], { stdio: 'ignore' });
  if (status !== 0) throw new Error(`a program in ${root} ended with ${status}`);
}

/** Both sides mounted anew in each round, listed once, and then again. */
async function cachedRows(bench: Bench): Promise<BenchRow[]> {
  const { options, harness, flist } = bench;
  await using disk = await ext4Of(bench);
  const { ours, rival } = await interleave(options.rounds, {
    ours: async (round) => {
      throwIfAborted(options.signal);
      options.note(`${freshName}, round ${round + 1}`);
      const target = await harness.mount({ path: flist }, { id: 'bench', mode: 'overlay' });
      const found = await findings(target);
      await harness.ask('unmount', { id: 'bench' });
      return found;
    },
    rival: async () => {
      await disk.mount();
      const found = await findings(disk.path);
      await unmount(disk.path);
      return found;
    },
  });
  // Three times and twice what ext4 takes.
  const limits = { must: 0.34, aim: 0.5 };
  return [
    findRow(
      freshName,
      limits,
      ours.map(({ first }) => [first]),
      rival.map(({ first }) => [first]),
    ),
    findRow(
      cachedName,
      limits,
      ours.map(({ again }) => again),
      rival.map(({ again }) => again),
    ),
  ];
}

/**
 * Nothing of the image's content is here; neither side is asked for any. What FUSE shows is kept by
 * the kernel for as long as the store's FUSE file system is mounted, so ours is new in each round.
 */
async function lazyRow({ options, harness, flist, folder, tree }: Bench): Promise<BenchRow> {
  const image = join(folder, 'mount.squashfs');
  await execute('mksquashfs', [tree, image, '-quiet', '-no-progress', '-comp', 'zstd']);
  const shown = join(folder, 'mount-squashfuse');
  await mkdir(shown);
  const { ours, rival } = await interleave(options.rounds, {
    ours: async (round) => {
      throwIfAborted(options.signal);
      options.note(`${lazyName}, round ${round + 1}`);
      const holder = await harness.start();
      const target = await harness.mount({ path: flist }, { id: 'bench', mode: 'tree' });
      const found = await find(target);
      await harness.ask('unmount', { id: 'bench' });
      process.kill(holder.pid, 'SIGTERM');
      await holder.ended;
      return [found];
    },
    rival: async () => {
      await execute('squashfuse', [image, shown]);
      const found = await find(shown);
      await unmount(shown);
      return [found];
    },
  });
  return findRow(lazyName, { must: 1 }, ours, rival);
}

interface Findings {
  readonly first: Sample;
  readonly again: readonly Sample[];
}

async function findings(root: string): Promise<Findings> {
  const first = await find(root);
  const again: Sample[] = [];
  for (let time = 0; time < findsOfRound; time++) again.push(await find(root));
  return { first, again };
}

/** What `find` took; a shell says it to the millisecond. */
async function find(root: string): Promise<Sample> {
  const line = `TIMEFORMAT='%R %U %S'; time find "$0" -printf '%s\\n' >/dev/null`;
  const { stderr } = await execute('bash', ['-c', line, root], {
    env: { ...process.env, LC_ALL: 'C' },
  });
  const [real = NaN, user = NaN, system = NaN] = stderr.trim().split(' ').map(Number);
  return { wallMs: real * 1_000, cpuMs: (user + system) * 1_000 };
}

function findRow(
  name: string,
  limits: { readonly must: number; readonly aim?: number },
  ours: readonly (readonly Sample[])[],
  rival: readonly (readonly Sample[])[],
): BenchRow {
  const wallOf = (samples: typeof ours): number =>
    median(samples.map((round) => median(round.map(({ wallMs }) => wallMs))));
  const cpuOf = (samples: typeof ours): string =>
    median(samples.map((round) => median(round.map(({ cpuMs }) => cpuMs)))).toFixed(0);
  const note = `CPU time of find ${cpuOf(ours)} ms, of the rival's ${cpuOf(rival)} ms`;
  return costRow({ name, unit: 'ms', ...limits, note, ours: wallOf(ours), rival: wallOf(rival) });
}

interface Ext4 extends AsyncDisposable {
  readonly path: string;
  mount(): Promise<unknown>;
}

/** The tree on an ext4 of its own, which is not mounted yet. */
async function ext4Of({ folder, tree }: Bench): Promise<Ext4> {
  const image = join(folder, 'mount.ext4');
  const path = join(folder, 'mount-ext4');
  await mkdir(path);
  await execute('truncate', ['-s', '256M', image]);
  await execute('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0', '-d', tree, image]);
  return {
    path,
    mount: () => execute('mount', ['-o', 'loop,ro', image, path]),
    [Symbol.asyncDispose]: () => unmount(path, { isLazy: true }).catch(() => {}),
  };
}
