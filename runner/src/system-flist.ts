import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { GridError } from '@commongrid/base';
import type { ByteText, ChunkSink, Directory, Flist, MadeImage } from '@commongrid/flist';

import type { GridErrorCode } from './errors.ts';
import { copyInto, librariesOf, settleTimes } from './staged-programs.ts';

/** Where the checkout is in the image. */
const home = 'opt/grid';

/** Programs of this machine that services start, and where they are in the image. */
const programs = ['/usr/bin/flock'];

/** Folders that containers mount something on, or that services write to. */
const emptyFolders = ['dev', 'proc', 'sys', 'tmp', 'var/lib/grid'];

/** What is in the checkout only for those who work on it. */
const leftOut = [
  /^\.(?!npmrc$)/,
  /^docs(?:\/|$)/,
  /^tools(?:\/|$)/,
  /^node_modules\/\./,
  /^node_modules\/node-linux-[^/]+\/(?!bin|package\.json)/,
  /\.test\.ts$/,
  /^(?:foundation|capacity|autonomous)\/[^/]+\/(?:test|bench)(?:\/|$)/,
  /\.log$/,
];

/**
 * The image in which the grid's own services run as containers: this checkout with the Node and the
 * packages that it runs on, and of the system only what those need.
 * @param root folder of the checkout
 * @throws GRID_CHECKOUT_UNFIT, and what `createFromFolder` throws
 */
export async function createSystemFlist(
  root: string,
  sink: ChunkSink,
  signal: AbortSignal,
): Promise<MadeImage> {
  const { createFromFolder, mergeFlists } = await import('@commongrid/flist');
  const exclude = await excludeOf(root);
  const checkout = await createFromFolder(root, sink, { exclude, signal });
  const node = nodeOf(checkout.flist.root);
  const stage = await mkdtemp(join(tmpdir(), 'grid-system-'));
  try {
    await stageSystem(stage, [join(root, node), ...programs]);
    const system = await createFromFolder(stage, sink, { signal });
    const merged = mergeFlists([system.flist, { root: placed(checkout.flist.root) }]);
    const flist: Flist = { root: merged.root, config: configOf(node) };
    return { flist, report: sumOf(checkout.report, system.report) };
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** Packages that only development needs are left out, as the lockfile says. */
async function excludeOf(root: string): Promise<(path: ByteText) => boolean> {
  const lockfile: unknown = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const { packages = {} } = lockfile as LockFile;
  const dev = new Set(
    Object.entries(packages)
      .filter(([, one]) => one.dev === true)
      .map(([path]) => path),
  );
  return (path) => dev.has(path) || leftOut.some((pattern) => pattern.test(path));
}

interface LockFile {
  readonly packages?: Readonly<Record<string, { readonly dev?: boolean }>>;
}

/** The Node that npm brought, relative to the checkout. */
function nodeOf({ entries }: Directory): string {
  const modules = entries.get('node_modules' as ByteText);
  const names = modules?.kind === 'directory' ? [...modules.entries.keys()] : [];
  const name = names.find((one) => /^node-linux-(?:x64|arm64)$/.test(one));
  if (name !== undefined) return `node_modules/${name}/bin/node`;
  throw new GridError<GridErrorCode>('GRID_CHECKOUT_UNFIT', 'the checkout has no Node', {
    hint: 'run ./grid status in it: the first command brings Node',
  });
}

/** Programs with the libraries that they are linked with, users and empty folders. */
async function stageSystem(stage: string, linked: readonly string[]): Promise<void> {
  const libraries = (await Promise.all(linked.map((one) => librariesOf(one)))).flat();
  for (const file of new Set([...programs, ...libraries])) await copyInto(stage, file);
  for (const folder of emptyFolders) await mkdir(join(stage, folder), { recursive: true });
  await mkdir(join(stage, 'etc'), { recursive: true });
  await writeFile(join(stage, 'etc/passwd'), 'root:x:0:0:root:/root:/sbin/nologin\n');
  await writeFile(join(stage, 'etc/group'), 'root:x:0:\n');
  await chmod(join(stage, 'tmp'), 0o1777);
  await chmod(stage, 0o755);
  await settleTimes(stage, (path) => dirname(path) === join(stage, 'etc'));
}

/** The tree in the folder where the image has it. */
function placed(root: Directory): Directory {
  const parents = home.split('/').toReversed();
  return parents.reduce<Directory>((tree, name) => {
    const entries = new Map([[name as ByteText, tree]]);
    return { kind: 'directory', mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [], entries };
  }, root);
}

function configOf(node: string): Exclude<Flist['config'], undefined> {
  const architecture = node.includes('arm64') ? 'arm64' : 'amd64';
  return {
    architecture,
    os: 'linux',
    config: {
      Entrypoint: [`/${home}/${node}`, `/${home}/runner/src/main.ts`],
      Env: ['PATH=/usr/bin:/bin', 'GRID_HOME=/var/lib/grid'],
      WorkingDir: '/var/lib/grid',
      StopSignal: 'SIGTERM',
    },
  };
}

function sumOf(one: MadeImage['report'], other: MadeImage['report']): MadeImage['report'] {
  return {
    notes: [...one.notes, ...other.notes],
    furtherNotes: one.furtherNotes + other.furtherNotes,
    contentBytes: one.contentBytes + other.contentBytes,
    chunks: one.chunks + other.chunks,
  };
}
