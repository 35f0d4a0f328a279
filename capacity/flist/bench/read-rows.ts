import { execFile } from 'node:child_process';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { askControl, collectionFlags, throwIfAborted, waitFor } from '@commongrid/base';
import { atLeastRow, cpuSecondsOf, interleave, median, ratioRow } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { packFlist } from '../src/format/pack-flist.ts';
import { createFromFolder } from '../src/make/create-from-folder.ts';
import { controlPathOf } from '../src/mount/image-service.ts';
import type { MountMode } from '../src/mount/mount-journal.ts';
import { serviceCommand } from '../src/mount/service-command.ts';
import { writeServiceConfig } from '../src/mount/service-config.ts';
import type { ServiceConfig } from '../src/mount/service-config.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { startProcess } from './child-process.ts';

const cachedName = 'sequential read of a promoted file, in the page cache';
const coldName = 'sequential read of a promoted file, not in the page cache';
const fuseName = 'sequential read of local chunks through FUSE, hashed before';
const firstName = 'sequential read of local chunks through FUSE, hashed as it is read';
const hubName = 'sequential read from a hub on loopback';

const execute = promisify(execFile);
const answerMs = 60_000;
const mebi = 2 ** 20;

/** A file that is in the page cache is read in a few milliseconds. */
const cachedReads = 16;

/** Of each file. */
const fileBytes = 64 * mebi;

/**
 * Files of 64 MiB, the beginning of Node's own program, each byte of the others changed in its own
 * way; read from front to back, 1 MiB at a time. All is on one ext4 on a loop device: stores, hub,
 * and the files that are the rival. Each round reads a file that was not read before; the first is
 * for the services to get warm.
 */
export async function readRows(options: BenchOptions, folder: string): Promise<BenchRow[]> {
  const { only = '' } = options;
  const isWanted = (...names: string[]): boolean => names.some((name) => name.includes(only));
  if (!isWanted(cachedName, coldName, fuseName, firstName, hubName)) return [];
  await mkdir(folder, { recursive: true });
  await using stack = new AsyncDisposableStack();
  const disk = stack.use(await loopDisk(folder));
  const image = await makeImage(disk.path, options.rounds + 1);
  const bench = { options, disk: disk.path, ...image };
  const rows: BenchRow[] = [];
  if (isWanted(cachedName, coldName)) rows.push(...(await promotedRows(bench)));
  if (isWanted(fuseName, firstName)) rows.push(...(await fuseRows(bench)));
  if (isWanted(hubName)) rows.push(await hubRow(bench));
  return rows.filter(({ name }) => isWanted(name));
}

interface Bench {
  readonly options: BenchOptions;
  readonly disk: string;
  /** The files outside of any image. */
  readonly source: string;
  readonly flist: string;
  /** Has `images`, a repository. */
  readonly hubFolder: string;
}

/** A reading of a file: how fast, and what it cost. */
interface Sample {
  readonly megabytesPerSecond: number;
  /** CPU milliseconds of all processes for each MB. */
  readonly cpuMs: number;
}

async function loopDisk(folder: string): Promise<AsyncDisposable & { readonly path: string }> {
  const image = join(folder, 'disk');
  const path = join(folder, 'ext4');
  await mkdir(path);
  await writeFile(image, '');
  await execute('truncate', ['-s', '4G', image]);
  await execute('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=1', image]);
  await execute('mount', ['-o', 'loop', image, path]);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await execute('umount', [path]);
      await rm(image);
    },
  };
}

async function makeImage(
  disk: string,
  files: number,
): Promise<Pick<Bench, 'source' | 'flist' | 'hubFolder'>> {
  const source = join(disk, 'source');
  const flist = join(disk, 'image.flist');
  const hubFolder = join(disk, 'hub');
  await mkdir(source);
  await using program = await open(process.execPath);
  const { buffer } = await program.read(Buffer.alloc(fileBytes), 0, fileBytes, 0);
  for (let file = 0; file < files; file++) {
    await writeFile(
      join(source, String(file)),
      buffer.map((byte) => byte ^ file),
    );
  }
  await using repository = await FlistRepository.open({ folder: join(hubFolder, 'images') });
  const made = await createFromFolder(source, repository);
  await repository.sync();
  await writeFile(flist, await packFlist(encodeFlist(made.flist)));
  return { source, flist, hubFolder };
}

interface Mounted extends AsyncDisposable {
  readonly path: (file: number) => string;
  /** Of its service. */
  readonly pid: number;
  fetchAll(): Promise<void>;
  /** Until the store has so many files whole. */
  untilWhole(files: number): Promise<void>;
}

/** The image mounted by a new service; its store is new unless it is there. */
async function mounted(
  { disk, flist }: Bench,
  name: string,
  sources: ServiceConfig['sources'],
  mode: MountMode,
): Promise<Mounted> {
  await using stack = new AsyncDisposableStack();
  const store = join(disk, name);
  const target = join(disk, `${name}-mount`);
  await mkdir(store, { recursive: true, mode: 0o700 });
  await mkdir(target, { recursive: true });
  await writeServiceConfig(store, { maxBytes: 2 ** 31, sources, mode });
  stack.use(startProcess(serviceCommand(store), 'SIGTERM'));
  const ask = (action: string, args = {}): Promise<unknown> =>
    askControl(controlPathOf(store), action, args, { timeoutMs: answerMs });
  const status = await waitFor(() => ask('status').catch(() => undefined), {
    ...{ what: 'the image service', timeoutMs: answerMs, everyMs: 20 },
  });
  await ask('mount', { flist, target, id: 'bench' });
  stack.defer(async () => void (await ask('unmount', { id: 'bench' })));
  const owned = stack.move();
  return {
    path: (file) => join(target, String(file)),
    pid: (status as { pid: number }).pid,
    fetchAll: async () => void (await ask('prefetch', { flist, whole: true })),
    untilWhole: async (files) => {
      const isWhole = async (): Promise<boolean> =>
        ((await ask('status')) as { usage: { objects: number } }).usage.objects >= files;
      await waitFor(isWhole, { what: 'a whole file', timeoutMs: answerMs, everyMs: 20 });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Content from the page cache and from the disk, beside the same file of the same ext4. */
async function promotedRows(bench: Bench): Promise<BenchRow[]> {
  const { options, source, hubFolder } = bench;
  const sources = [{ folder: join(hubFolder, 'images') }];
  await using image = await mounted(bench, 'promoted', sources, 'overlay');
  await image.fetchAll();
  const rows: BenchRow[] = [];
  for (const name of [cachedName, coldName]) {
    const isCold = name === coldName;
    options.note(name);
    const side =
      (path: (file: number) => string) =>
      async (round: number): Promise<Sample> => {
        if (isCold) await dropPages(path(round + 1));
        else readWhole(path(round + 1));
        return measure(bench, path(round + 1), [], isCold ? 1 : cachedReads);
      };
    const { ours, rival } = await interleave(options.rounds, {
      ours: side(image.path),
      rival: side((file) => join(source, String(file))),
    });
    const rates = { ours: ours.map(speed), rival: rival.map(speed) };
    const note = `${cpuNote(ours)}, ext4 ${cpuNote(rival)}`;
    rows.push(ratioRow({ name, unit: 'MB/s', ...rates, must: 0.8, note }));
  }
  return rows;
}

/** All of the image through FUSE, its content whole in the store, nothing of it in the kernel. */
async function fuseRows(bench: Bench): Promise<BenchRow[]> {
  const { options, hubFolder } = bench;
  const sources = [{ folder: join(hubFolder, 'images') }];
  await using image = await mounted(bench, 'fuse', sources, 'tree');
  await image.fetchAll();
  const readOnce = async (file: number): Promise<Sample> => {
    await dropPages(image.path(file));
    return measure(bench, image.path(file), [image.pid]);
  };
  await readOnce(0);
  const [first, again]: [Sample[], Sample[]] = [[], []];
  for (let round = 0; round < options.rounds; round++) {
    options.note(`${fuseName}, round ${round + 1}`);
    first.push(await readOnce(round + 1));
    again.push(await readOnce(round + 1));
  }
  return [speedRow(fuseName, again, 1_000), speedRow(firstName, first, 1_000)];
}

/** Into an empty store, from a hub in a process of its own, whose files are in the page cache. */
async function hubRow(bench: Bench): Promise<BenchRow> {
  const { options, hubFolder } = bench;
  const program = join(import.meta.dirname, 'hub-main.ts');
  await using hub = startProcess(
    [process.execPath, ...collectionFlags.chunks, program, hubFolder],
    'SIGKILL',
  );
  const url = `${await hub.firstLine}/v1`;
  await using image = await mounted(bench, 'lazy', [{ url }], 'overlay');
  const [samples, behind]: [Sample[], number[]] = [[], []];
  for (let file = 0; file <= options.rounds; file++) {
    options.note(`${hubName}, round ${file}`);
    const pids = [image.pid, hub.pid];
    samples.push(await measure(bench, image.path(file), pids));
    const before = await cpuOf(pids);
    await image.untilWhole(file + 1);
    behind.push((((await cpuOf(pids)) - before) * 1000) / (fileBytes / 1e6));
  }
  const [first] = samples;
  const cold = first === undefined ? '' : `${Math.round(speed(first))} MB/s, ${cpuNote([first])}`;
  const more =
    `, ${median(behind.slice(1)).toFixed(2)} behind it, to make the file whole; ` +
    `the first file of a new service ${cold}`;
  return speedRow(hubName, samples.slice(1), 250, more);
}

async function measure(
  { options }: Bench,
  path: string,
  pids: readonly number[],
  times = 1,
): Promise<Sample> {
  throwIfAborted(options.signal);
  const before = await cpuOf(pids);
  const startMs = performance.now();
  let megabytes = 0;
  for (let time = 0; time < times; time++) megabytes += readWhole(path) / 1e6;
  const seconds = (performance.now() - startMs) / 1000;
  const cpuMs = ((await cpuOf(pids)) - before) * 1000;
  return { megabytesPerSecond: megabytes / seconds, cpuMs: cpuMs / megabytes };
}

/** Of this process, which reads, and of others, in seconds. */
async function cpuOf(pids: readonly number[]): Promise<number> {
  const { user, system } = process.cpuUsage();
  const others = await Promise.all(pids.map((pid) => cpuSecondsOf(pid)));
  return others.reduce((sum, seconds) => sum + seconds, (user + system) / 1e6);
}

function readWhole(path: string): number {
  const piece = Buffer.allocUnsafe(mebi);
  const fd = openSync(path, 'r');
  try {
    let done = 0;
    for (;;) {
      const count = readSync(fd, piece);
      if (count === 0) return done;
      done += count;
    }
  } finally {
    closeSync(fd);
  }
}

/** Out of the page cache, without what others have there. */
async function dropPages(path: string): Promise<void> {
  await execute('sync', ['-f', path]);
  await execute('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
}

function speedRow(name: string, samples: readonly Sample[], must: number, more = ''): BenchRow {
  const ours = median(samples.map(speed));
  return atLeastRow({ name, unit: 'MB/s', ours, must, note: `${cpuNote(samples)}${more}` });
}

function speed({ megabytesPerSecond }: Sample): number {
  return megabytesPerSecond;
}

function cpuNote(samples: readonly Sample[]): string {
  return `${median(samples.map(({ cpuMs }) => cpuMs)).toFixed(2)} ms CPU per MB`;
}
