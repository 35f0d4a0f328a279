import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { FolderLock, isGridError, waitFor } from '@commongrid/base';

import { unmountBelow } from '../mount-cleanup.ts';
import { addOddLayer, fillOddTree } from './odd-layers.ts';
import { rebuildPrograms } from './rebuilt-packages.ts';

/** Tags of the layout. */
export const debianImageNames = ['base', 'python3', 'nginx', 'redis', 'updated', 'odd'] as const;
export type DebianImageName = (typeof debianImageNames)[number];

export interface DebianImages {
  /** An OCI layout with gzip layers, as buildah makes them. */
  readonly layout: string;
  readonly update: DebianUpdate;
}

/** What is new in `updated` beside `base`. */
export interface DebianUpdate {
  /** As Debian updates them today. */
  readonly packages: readonly string[];
  /** With other programs of the same size, as when they are built anew. */
  readonly rebuilt: readonly string[];
}

/** Packages that an application brings onto the base. */
const applications = { python3: 'python3', nginx: 'nginx', redis: 'redis-server' } as const;

/** Goes into the name of the cached images: another one builds them anew. */
const recipe = 3;

/** How many packages an update of the base has at least. */
const updatedPackages = 10;

const buildTimeoutMs = 10 * 60_000;

let images: Promise<DebianImages> | undefined;

/**
 * Images of Debian: a base by debootstrap, on it applications by apt, an updated base, and one with
 * some of everything. They are kept in the user's cache, by the versions of their packages; who
 * asks while they are built waits for them. To build them takes root, apt and two minutes.
 */
export function debianImages(): Promise<DebianImages> {
  images ??= findOrBuild();
  return images;
}

async function findOrBuild(): Promise<DebianImages> {
  const cache = join(homedir(), '.cache/commongrid/debian-images');
  await fs.mkdir(cache, { recursive: true, mode: 0o700 });
  await using _lock = await waitFor(() => lockUnlessHeld(cache), {
    timeoutMs: buildTimeoutMs,
    what: 'the images that another process builds',
  });
  const name = await versionsName();
  const folder = join(cache, name);
  const made = await readMade(folder);
  if (made !== undefined) return made;
  // Of older versions, or begun by somebody who was killed while debootstrap had mounts there.
  await unmountBelow(cache);
  for (const old of await fs.readdir(cache)) {
    if (old !== 'LOCK') await fs.rm(join(cache, old), { recursive: true });
  }
  const work = join(cache, `${name}.new`);
  await fs.mkdir(work);
  const update = await new ImageBuilder(work).build();
  await fs.writeFile(join(work, 'update.json'), JSON.stringify(update));
  await fs.rename(work, folder);
  return { layout: join(folder, 'layout'), update };
}

async function lockUnlessHeld(folder: string): Promise<FolderLock | undefined> {
  try {
    return await FolderLock.open(folder);
  } catch (error) {
    if (isGridError(error) && error.code === 'BASE_FOLDER_LOCKED') return undefined;
    throw error;
  }
}

async function readMade(folder: string): Promise<DebianImages | undefined> {
  try {
    const text = await fs.readFile(join(folder, 'update.json'), 'utf8');
    return { layout: join(folder, 'layout'), update: JSON.parse(text) as DebianUpdate };
  } catch {
    return undefined;
  }
}

/** Of all packages that the images may have, in the versions that apt would take now. */
async function versionsName(): Promise<string> {
  const wanted = [...Object.values(applications), '?priority(required)', 'apt'];
  const ask = (): Promise<string> =>
    apt('--option=Dir::State::status=/dev/null', '--print-uris', 'install', ...wanted);
  let said = await ask().catch(() => '');
  if (said === '') {
    await apt('update');
    said = await ask();
  }
  const files = said.split('\n').map((line) => line.split(' ')[1] ?? '');
  const text = JSON.stringify([recipe, files.toSorted()]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Works in one folder; what is left there beside the layout is removed. */
class ImageBuilder {
  readonly #folder: string;
  readonly #root: string;
  readonly #layout: string;
  readonly #buildah: readonly string[];

  constructor(folder: string) {
    this.#folder = folder;
    this.#root = join(folder, 'root');
    this.#layout = join(folder, 'layout');
    const storage = (name: string): string => join(folder, 'storage', name);
    this.#buildah = [
      ...['--root', storage('root'), '--runroot', storage('run'), '--storage-driver', 'vfs'],
    ];
  }

  async build(): Promise<DebianUpdate> {
    await this.#makeBase();
    for (const [name, program] of Object.entries(applications)) {
      await this.#download(name, 'install', program);
    }
    await this.#download('updated', 'dist-upgrade');
    const downloads = await fs.readdir(join(this.#folder, 'debs', 'updated'));
    const packages = downloads.map((file) => file.split('_')[0] ?? '').toSorted();
    let rebuilt: string[] = [];
    const layers = Object.keys(applications).map((name) =>
      this.#layer(name, (container) => this.#addPackages(container, name)),
    );
    const update = async (container: string, root: string): Promise<void> => {
      if (packages.length > 0) await this.#addPackages(container, 'updated');
      rebuilt = await rebuildPrograms(root, packages, updatedPackages - packages.length);
    };
    // Nobody puts a layer of updates on a base: it is made anew.
    const updated = this.#layer('updated', update, '--squash');
    const odd = this.#layer('odd', (_container, root) => fillOddTree(root));
    await Promise.all([...layers, updated, odd]);
    for (const name of debianImageNames) await this.#push(name);
    await addOddLayer(this.#folder, `${this.#layout}:odd`);
    for (const name of await fs.readdir(this.#folder)) {
      if (name === 'layout') continue;
      await fs.rm(join(this.#folder, name), { recursive: true });
    }
    return { packages, rebuilt };
  }

  /** By debootstrap, from where apt has its packages; documents left out as in small images. */
  async #makeBase(): Promise<void> {
    const suite = await ownSuite();
    const mirror = await mirrorOf(suite);
    await run('debootstrap', '--variant=minbase', suite, this.#root, mirror);
    const at = (path: string): string => join(this.#root, path);
    await fs.writeFile(at('etc/dpkg/dpkg.cfg.d/small'), smallConfig);
    // Packages start their services otherwise.
    await fs.writeFile(at('usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    for (const folder of documents) await removeFilesBelow(at(`usr/share/${folder}`), 'copyright');
    await cleanRoot(this.#root);
    const container = await this.#run('from', 'scratch');
    await this.#run('add', '--quiet', container, this.#root, '/');
    await this.#commit(container, 'base');
  }

  /** What apt would bring onto the base, without anything that is only recommended. */
  async #download(name: string, ...what: readonly string[]): Promise<void> {
    const archives = join(this.#folder, 'debs', name);
    await fs.mkdir(join(archives, 'partial'), { recursive: true });
    await apt(
      `--option=Dir::State::status=${join(this.#root, 'var/lib/dpkg/status')}`,
      '--option=Dir::State::extended_states=/dev/null',
      `--option=Dir::Cache::archives=${archives}`,
      '--download-only',
      ...what,
    );
    await fs.rm(join(archives, 'partial'), { recursive: true });
    await fs.rm(join(archives, 'lock'), { force: true });
  }

  /** A layer on the base, or with `--squash` one that has the base in it. */
  async #layer(
    name: string,
    change: (container: string, root: string) => Promise<void>,
    ...options: readonly string[]
  ): Promise<void> {
    const container = await this.#run('from', 'localhost/base');
    await change(container, await this.#run('mount', container));
    await this.#run('unmount', container);
    await this.#commit(container, name, ...options);
  }

  async #addPackages(container: string, name: string): Promise<void> {
    const install =
      'DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --no-install-recommends install /debs/*.deb';
    await this.#run(
      ...[
        'run',
        '--isolation',
        'chroot',
        '--volume',
        `${join(this.#folder, 'debs', name)}:/debs:ro`,
      ],
      ...[container, '--', 'sh', '-c', `${install} </dev/null`],
    );
    const root = await this.#run('mount', container);
    await fs.rm(join(root, 'debs'), { recursive: true, force: true });
    await cleanRoot(root);
  }

  async #commit(container: string, name: string, ...options: readonly string[]): Promise<void> {
    await this.#run('commit', '--quiet', ...options, container, name);
    await this.#run('rm', container);
  }

  async #push(name: string): Promise<void> {
    const format = ['--compression-format', 'gzip'];
    await this.#run(
      'push',
      '--quiet',
      ...format,
      `localhost/${name}`,
      `oci:${this.#layout}:${name}`,
    );
  }

  async #run(...args: readonly string[]): Promise<string> {
    return (await run('buildah', ...this.#buildah, ...args)).trim();
  }
}

/** What small images do not have of `/usr/share`, but for the copyrights. */
const documents = ['doc', 'groff', 'info', 'lintian', 'locale', 'man'];
const smallConfig = `${documents.map((folder) => `path-exclude=/usr/share/${folder}/*\n`).join('')}\
path-include=/usr/share/doc/*/copyright
`;

/** What is there for the next time that something is installed, and what was said of the last. */
const leftovers = ['var/lib/apt/lists', 'var/cache/apt', 'var/cache/ldconfig', 'var/log'];
const oldCopies = ['var/cache/debconf', 'var/lib/dpkg'];

async function cleanRoot(root: string): Promise<void> {
  for (const folder of leftovers) await removeFilesBelow(join(root, folder));
  for (const folder of oldCopies) {
    for (const name of await fs.readdir(join(root, folder))) {
      if (name.endsWith('-old')) await fs.rm(join(root, folder, name));
    }
  }
}

/** Folders stay: programs want theirs for logs. */
async function removeFilesBelow(folder: string, except?: string): Promise<void> {
  const entries = await fs
    .readdir(folder, { recursive: true, withFileTypes: true })
    .catch(() => []);
  for (const entry of entries) {
    if (entry.isDirectory() || entry.name === except) continue;
    // Some are named twice, below a link to a folder too.
    await fs.rm(join(entry.parentPath, entry.name), { force: true });
  }
}

/** What apt brings fits to no other Debian than that of this machine. */
async function ownSuite(): Promise<string> {
  const text = await fs.readFile('/etc/os-release', 'utf8');
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(text)?.[1];
  if (suite === undefined) throw new Error('this machine does not say which Debian it is');
  return suite;
}

async function mirrorOf(suite: string): Promise<string> {
  const lines = await run('apt-get', 'indextargets', '--format', '$(RELEASE) $(SITE)');
  for (const line of lines.split('\n')) {
    const [release, site] = line.split(' ');
    if (release === suite && site !== undefined) return site;
  }
  throw new Error(`apt has no source of ${suite}`);
}

async function apt(...args: readonly string[]): Promise<string> {
  return run('apt-get', '--quiet=2', '--yes', '--no-install-recommends', ...args);
}

/** What a program prints. What it says when it fails is in the error. */
async function run(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, args, { maxBuffer: 16 * 2 ** 20 });
  return stdout;
}

const execute = promisify(execFile);
