import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { formatBytes, throwIfAborted } from '@commongrid/base';
import { costRow, interleave, median } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import { debianImages } from '../test/support/debian-images.ts';
import { DockerRegistry } from '../src/testing/docker-registry.ts';
import { ImageHub } from './image-hub.ts';
import { addLargeImage, layersOf } from './large-image.ts';

const importName = 'import of a 200 MB image';
const importCpuName = `${importName}, CPU of all processes`;
const bytesName = 'bytes of a hub with the images of Debian';

/** Bytes of the layers of the image that is imported, unpacked. */
const imageBytes = 200_000_000;

const grid = fileURLToPath(new URL('../../../grid', import.meta.url));

/**
 * The import of an image from a registry, against `skopeo copy` and `umoci unpack`; and what a hub
 * holds of several images, against their gzip layers.
 */
export async function importRows(options: BenchOptions, folder: string): Promise<BenchRow[]> {
  const { only = '', note } = options;
  const rows: BenchRow[] = [];
  const isAsked = (...names: readonly string[]): boolean =>
    names.some((name) => name.includes(only));
  if (!isAsked(importName, importCpuName, bytesName)) return [];
  note('images of Debian; the first time that takes two minutes');
  const { layout } = await debianImages();
  const work = await mkdtemp(join(folder, 'import-'));
  if (isAsked(importName, importCpuName)) rows.push(...(await timeRows(options, layout, work)));
  if (isAsked(bytesName)) rows.push(await bytesRow(options, layout, work));
  return rows.filter(({ name }) => name.includes(only));
}

interface Spent {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function timeRows(
  options: BenchOptions,
  layout: string,
  folder: string,
): Promise<BenchRow[]> {
  const { signal, note, isQuick = false } = options;
  await using registry = await DockerRegistry.open(folder);
  note('the image that is imported');
  const image = `${registry.host}/bench/large:1`;
  const large = await addLargeImage(layout, folder, isQuick ? 0 : imageBytes);
  await execute('skopeo', ['copy', '-q', '--dest-tls-verify=false', large, `docker://${image}`]);
  const begin = async (side: string, round: number): Promise<string> => {
    throwIfAborted(signal);
    note(`${importName}, ${side}, round ${round + 1}`);
    // What one side left to be written is not to be paid by the other. Nothing is removed until the
    // end: ext4 takes much longer to make files where many were just removed.
    await execute('sync', ['--file-system', folder]);
    const to = join(folder, `${side}-${round}`);
    await mkdir(to);
    return to;
  };
  const spent = await interleave(isQuick ? 1 : options.rounds, {
    ours: async (round) => {
      const to = await begin('grid', round);
      return timed(grid, 'flist', 'import', image, '--repo', join(to, 'images'));
    },
    rival: async (round) => {
      const to = await begin('skopeo and umoci', round);
      const oci = `${join(to, 'layout')}:large`;
      const from = `docker://${image}`;
      const copied = await timed(
        'skopeo',
        'copy',
        '-q',
        '--src-tls-verify=false',
        from,
        `oci:${oci}`,
      );
      const unpacked = await timed('umoci', 'unpack', '--image', oci, join(to, 'bundle'));
      return {
        seconds: copied.seconds + unpacked.seconds,
        cpuSeconds: copied.cpuSeconds + unpacked.cpuSeconds,
      };
    },
  });
  return [rowOf(importName, 'seconds', spent), rowOf(importCpuName, 'cpuSeconds', spent)];
}

function rowOf(
  name: string,
  key: keyof Spent,
  spent: { readonly ours: readonly Spent[]; readonly rival: readonly Spent[] },
): BenchRow {
  const times = spent.ours.map((ours, round) => ours[key] / (spent.rival[round]?.[key] ?? NaN));
  const note = `rounds: ${times.map((value) => `${value.toFixed(2)}x`).join(', ')}`;
  return costRow({
    ...{ name, unit: 's', note, must: 0.5 },
    ours: median(spent.ours.map((one) => one[key])),
    rival: median(spent.rival.map((one) => one[key])),
  });
}

/** Runs a program to its end, with the time that it took, and all that it started. */
async function timed(...command: readonly string[]): Promise<Spent> {
  const script = `TIMEFORMAT='%3R %3U %3S'; time "$@"`;
  const { stderr } = await execute('bash', ['-c', script, 'bash', ...command]);
  const [seconds = NaN, user = NaN, system = NaN] = (stderr.trim().split('\n').at(-1) ?? '')
    .split(' ')
    .map(Number);
  return { seconds, cpuSeconds: user + system };
}

const hubImages = ['base', 'python3', 'nginx', 'redis'] as const;

async function bytesRow(options: BenchOptions, layout: string, folder: string): Promise<BenchRow> {
  const hubFolder = join(folder, 'hub-bytes');
  await mkdir(hubFolder);
  {
    await using hub = await ImageHub.open(hubFolder);
    for (const name of hubImages) {
      throwIfAborted(options.signal);
      options.note(`${bytesName}, ${name}`);
      await hub.bring(layout, name);
    }
  }
  const layers = new Map<string, number>();
  for (const name of hubImages) {
    for (const layer of await layersOf(layout, name)) layers.set(layer.name, layer.sizeBytes);
  }
  const held = await sizeOfFiles(join(hubFolder, 'hub'));
  return costRow({
    ...{ name: bytesName, unit: 'B', ours: held.bytes, must: 0.9524 },
    rival: layers.values().reduce((sum, sizeBytes) => sum + sizeBytes, 0),
    note: `all ${held.files} files of the hub, its database too; ${formatBytes(held.diskBytes)} in blocks of the disk; before chunks are packed again`,
  });
}

/** Of all files below a folder; `diskBytes` with what their last blocks and the folders take. */
async function sizeOfFiles(
  folder: string,
): Promise<{ readonly files: number; readonly bytes: number; readonly diskBytes: number }> {
  let [files, bytes, diskBytes] = [0, 0, 0];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const found = await stat(join(entry.parentPath, entry.name));
    diskBytes += found.blocks * 512;
    if (!found.isFile()) continue;
    files++;
    bytes += found.size;
  }
  return { files, bytes, diskBytes };
}

const execute = promisify(execFile);
