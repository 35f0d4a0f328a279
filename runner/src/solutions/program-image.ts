import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arch } from 'node:process';

import { GridError, runProgram } from '@commongrid/base';
import type { ChunkSink, MadeImage } from '@commongrid/flist';
import type { ImageRecipe, SolutionErrorCode } from '@commongrid/solutions';

import { findStaticBusybox } from '../base-image.ts';
import { copyInto, librariesOf, settleTimes } from '../staged-programs.ts';

/** Programs that an image is to have, and the packages of Debian that bring them. */
type WantedPrograms = Omit<ImageRecipe & { readonly of: 'programs' }, 'of'>;

/** What a shell script of a container may use beside them. */
const applets = ['sh', 'cat', 'grep', 'ls', 'sleep', 'ps', 'kill', 'head', 'tail', 'df', 'date'];
const emptyFolders = ['dev', 'proc', 'sys', 'run', 'data', 'tmp', 'root'];
/** Time for apt to bring packages, ms. */
const aptMsMax = 600_000;

/**
 * An image of some programs with the libraries that they are linked with, and a shell. What this machine does not have is
 * downloaded by apt and unpacked, and not installed.
 * @throws SOLUTION_IMAGE_UNMADE, and what `createFromFolder` throws
 */
export async function createProgramFlist(
  wanted: WantedPrograms,
  sink: ChunkSink,
  signal: AbortSignal,
): Promise<MadeImage> {
  const { createFromFolder } = await import('@commongrid/flist');
  const work = await mkdtemp(join(tmpdir(), 'grid-programs-'));
  try {
    const isHere = wanted.programs.every((program) => existsSync(program));
    const unpacked = isHere ? '' : await unpackPackages(wanted, work, signal);
    const stage = join(work, 'stage');
    await stagePrograms(stage, wanted.programs, unpacked);
    const { flist, report } = await createFromFolder(stage, sink, { signal });
    const architecture = arch === 'arm64' ? 'arm64' : 'amd64';
    const config = { Env: ['PATH=/usr/bin:/bin'], WorkingDir: '/data' };
    return { flist: { root: flist.root, config: { architecture, os: 'linux', config } }, report };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** @param unpacked folder of packages that come before what this machine has; empty where there is none */
async function stagePrograms(
  stage: string,
  programs: readonly string[],
  unpacked: string,
): Promise<void> {
  const busybox = await findStaticBusybox();
  if (busybox === undefined) {
    throw unmade('there is no busybox for its shell', 'apt-get install busybox-static');
  }
  for (const folder of emptyFolders) await mkdir(join(stage, folder), { recursive: true });
  await mkdir(join(stage, 'bin'));
  await copyFile(busybox, join(stage, 'bin/busybox'));
  await chmod(join(stage, 'bin/busybox'), 0o755);
  for (const name of applets) await symlink('busybox', join(stage, 'bin', name));
  const folders = unpacked === '' ? [] : await libraryFolders(unpacked);
  for (const program of programs) {
    const file = `${unpacked}${program}`;
    await copyInto(stage, file, program);
    for (const library of await librariesOf(file, folders)) {
      const isUnpacked = unpacked !== '' && library.startsWith(`${unpacked}/`);
      await copyInto(stage, library, isUnpacked ? library.slice(unpacked.length) : library);
    }
  }
  await mkdir(join(stage, 'etc'), { recursive: true });
  await writeFile(join(stage, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(join(stage, 'etc/group'), 'root:x:0:\n');
  await chmod(join(stage, 'tmp'), 0o1777);
  await chmod(stage, 0o755);
  const own = ['bin/busybox', 'etc/passwd', 'etc/group'].map((path) => join(stage, path));
  await settleTimes(stage, (path) => own.includes(path));
}

/**
 * Has apt bring packages, and those that they need and this machine lacks, and unpacks them.
 * @returns the folder in which they are
 */
async function unpackPackages(
  { packages, programs }: WantedPrograms,
  work: string,
  signal: AbortSignal,
): Promise<string> {
  const [archives, root] = [join(work, 'archives'), join(work, 'root')];
  await mkdir(join(archives, 'partial'), { recursive: true });
  await mkdir(root);
  const options = { cwd: archives, timeoutMs: aptMsMax, signal };
  const apt = (...words: readonly string[]): Promise<string> =>
    runProgram('apt-get', ['--quiet=2', '--yes', '--no-install-recommends', ...words], options);
  try {
    // These also where the machine has them, in another version perhaps.
    await apt('download', ...packages);
    await apt(
      `--option=Dir::Cache::archives=${archives}`,
      '--download-only',
      'install',
      ...packages,
    );
    for (const name of await readdir(archives)) {
      if (name.endsWith('.deb')) await runProgram('dpkg-deb', ['-x', join(archives, name), root]);
    }
  } catch (cause) {
    if (signal.aborted) throw cause;
    const why = cause instanceof Error ? cause.message.trim().split('\n').at(-1) : String(cause);
    throw unmade(`apt does not bring ${packages.join(', ')}: ${why}`, hintFor(packages), cause);
  }
  const absent = programs.find((program) => !existsSync(`${root}${program}`));
  if (absent === undefined) return root;
  throw unmade(`${packages.join(', ')} do not have ${absent}`, hintFor(packages));
}

/** Of all architectures that packages have libraries of. */
async function libraryFolders(root: string): Promise<readonly string[]> {
  const found = ['usr/lib', 'lib'].map(async (path) => {
    const names = await readdir(join(root, path)).catch(() => []);
    return names.filter((name) => name.includes('-linux-')).map((name) => join(root, path, name));
  });
  return (await Promise.all(found)).flat();
}

function hintFor(packages: readonly string[]): string {
  return `apt-get update, then again; or apt-get install ${packages.join(' ')}`;
}

function unmade(message: string, hint: string, cause?: unknown): GridError<SolutionErrorCode> {
  return new GridError('SOLUTION_IMAGE_UNMADE', `the image cannot be made: ${message}`, {
    hint,
    cause,
  });
}
