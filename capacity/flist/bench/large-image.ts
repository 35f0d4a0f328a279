import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

import { unpackStream } from '../src/make/unpack-stream.ts';
import type { LayerSource } from '../src/oci/image-source.ts';
import { OciLayout } from '../src/oci/oci-layout.ts';
import { ownPlatform } from '../src/oci/platform.ts';

/** Where programs and libraries of this machine are, which fill an image up. */
const fillers = ['/usr/lib/x86_64-linux-gnu', '/usr/lib', '/usr/bin', '/usr/sbin', '/usr/lib64'];

/** Larger ones are no usual part of an image. */
const fillerBytesMax = 4 * 1024 * 1024;

/**
 * Makes one image of several, layer on layer: Debian with python3, nginx and redis, and programs
 * and libraries of this machine until its layers have a size.
 * @param sizeBytes of all layers, unpacked
 * @returns where it is, as skopeo is told
 */
export async function addLargeImage(
  layout: string,
  folder: string,
  sizeBytes: number,
): Promise<string> {
  const place = `${join(folder, 'large')}:large`;
  await execute('skopeo', ['copy', '--quiet', `oci:${layout}:python3`, `oci:${place}`]);
  const tar = join(folder, 'layer.tar');
  const addLayer = async (): Promise<void> => {
    await execute('umoci', ['raw', 'add-layer', '--image', place, tar]);
    await rm(tar);
  };
  let bytes = 0;
  for (const layer of await layersOf(layout, 'python3')) bytes += await unpack(layer, '/dev/null');
  for (const name of ['nginx', 'redis']) {
    const last = (await layersOf(layout, name)).at(-1);
    if (last === undefined) throw new Error(`${name} has no layer`);
    bytes += await unpack(last, tar);
    await addLayer();
  }
  const names = await fillersOf(sizeBytes - bytes);
  if (names.length > 0) {
    const list = join(folder, 'fillers');
    await writeFile(list, names.map((name) => `${name.slice(1)}\0`).join(''));
    const flags = ['--create', `--file=${tar}`, '--directory=/', '--null', `--files-from=${list}`];
    await execute('tar', flags);
    await addLayer();
  }
  return `oci:${place}`;
}

/** The layers of an image in a layout. */
export async function layersOf(layout: string, name: string): Promise<readonly LayerSource[]> {
  return (await new OciLayout(layout, name).find(ownPlatform())).layers;
}

/** @returns its bytes unpacked */
async function unpack(layer: LayerSource, path: string): Promise<number> {
  const file = createWriteStream(path);
  await pipeline(unpackStream(layer.open(undefined), layer.compression ?? 'none'), file);
  return file.bytesWritten;
}

/** Files, in the order of their names, that have so many bytes together. */
async function fillersOf(sizeBytes: number): Promise<string[]> {
  const names: string[] = [];
  let bytes = 0;
  for (const folder of fillers) {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (bytes >= sizeBytes) return names;
      const path = join(folder, entry.name);
      const found = entry.isFile() ? (await stat(path)).size : Infinity;
      if (found > fillerBytesMax) continue;
      names.push(path);
      bytes += found;
    }
  }
  return names;
}

const execute = promisify(execFile);
