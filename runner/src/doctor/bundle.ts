import { constants, existsSync } from 'node:fs';
import {
  chmod,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

import { errorCode, GridError, readTextIfThere, runProgram } from '@commongrid/base';

import type { GridErrorCode } from '../errors.ts';
import { GridHome } from '../home.ts';
import { tempBeside } from '../key-file.ts';
import { standingOf } from './grid-standing.ts';
import { redactorOf } from './redact.ts';

/** Of each log, so much of its end. */
const logBytesMax = 2 ** 20;

/** Folder in the archive. */
const folderName = 'grid-doctor';

/** What the machine says of itself, for whoever helps. */
const machineFiles = [
  '/etc/os-release',
  '/proc/version',
  '/proc/cpuinfo',
  '/proc/meminfo',
  '/proc/loadavg',
  '/proc/self/mountinfo',
] as const;

/**
 * Writes a tar of what helps support: what the doctor found, versions, the state of services, logs of
 * services. No file with secrets is read into it, no log of workloads, and every text is searched for
 * the secrets of the grid.
 * @throws GRID_FILE_EXISTS, GRID_FILE_UNWRITABLE
 */
export async function writeBundle(
  path: string,
  { home: homePath, report, version }: BundleContent,
): Promise<readonly string[]> {
  const target = resolve(path);
  if (existsSync(target)) throw exists(target);
  const home = new GridHome(homePath);
  const redact = await redactorOf(home);
  const made = await mkdtemp(join(tmpdir(), 'grid-bundle-'));
  try {
    const folder = join(made, folderName);
    await mkdir(folder);
    const texts = await textsOf(home, report, version);
    for (const [name, text] of texts) await writeFile(join(folder, name), redact(text));
    const archive = join(made, 'bundle.tar.gz');
    await runProgram('tar', ['-C', made, '-czf', archive, folderName]);
    await chmod(archive, 0o600);
    await moveNew(archive, target);
    return [...texts.keys()];
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

interface BundleContent {
  /** Folder of the grid. */
  readonly home: string;
  /** What the doctor found. */
  readonly report: object;
  /** Of the grid command. */
  readonly version: string;
}

async function textsOf(
  home: GridHome,
  report: object,
  version: string,
): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  const put = (name: string, value: unknown): void => {
    texts.set(name, `${JSON.stringify(value, undefined, 2)}\n`);
  };
  put('doctor.json', report);
  put('versions.json', { grid: version, ...process.versions, arch: process.arch });
  if (await home.exists()) put('state.json', (await standingOf(home)).status.state ?? null);
  for (const file of machineFiles) {
    const text = await readTextIfThere(file);
    if (text !== undefined) texts.set(`machine-${basename(file)}`, text);
  }
  for (const name of await logsIn(home.run)) texts.set(name, await endOf(join(home.run, name)));
  return texts;
}

async function logsIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => /\.log(?:\.\d+)?$/.test(name));
}

/** Whole lines: of a secret that is cut in two neither half would be found. */
async function endOf(file: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const from = Math.max(0, size - logBytesMax);
    const buffer = Buffer.alloc(size - from);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
    const text = buffer.toString('utf8', 0, bytesRead);
    return from === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    await handle.close();
  }
}

/** @throws GRID_FILE_EXISTS, GRID_FILE_UNWRITABLE */
async function moveNew(from: string, target: string): Promise<void> {
  const beside = tempBeside(target);
  try {
    // Another file system may be there, and others may write in that folder: nothing of theirs is opened.
    await copyFile(from, beside, constants.COPYFILE_EXCL);
    await link(beside, target);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') throw exists(target);
    throw new GridError<GridErrorCode>('GRID_FILE_UNWRITABLE', `cannot write ${target}`, {
      hint: 'name a file in a folder that you may write',
      details: { file: target },
      cause: error,
    });
  } finally {
    await rm(beside, { force: true });
  }
}

function exists(file: string): GridError<GridErrorCode> {
  return new GridError('GRID_FILE_EXISTS', `${file} is there already`, {
    hint: 'name another file',
    details: { file },
  });
}
