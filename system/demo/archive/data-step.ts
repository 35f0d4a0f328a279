import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { formatBytes, seededRandom } from '@commongrid/base';

import { roundTrip } from '../data/aws-cli.ts';
import { prepareData, sumOfFile } from '../data/real-files.ts';
import type { KnownObject } from '../data/real-files.ts';
import { rcloneVersion } from '../data/rclone.ts';
import { hangMsDefault, Traffic } from '../data/traffic.ts';
import type { DemoStep } from '../steps.ts';
import { writtenBytesMax } from './archive-sizes.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { dataFolder, openClient, storeAccess } from './store-client.ts';

/** Where real files are from. */
const tree = '/usr';
/** Seeds are below this. */
const seedMax = 2 ** 31;

/** Files of this machine and big ones are loaded by a client as it comes. From then on to the end others read and write. */
export const dataStep: DemoStep<ArchiveScene> = {
  name: 'data',
  needs: ['provision'],
  async run(scene) {
    const { objects, files, loadBytesPerSecond } = await load(scene);
    const other = await byAnother(scene, files, objects);
    const sizes = objects.map(({ bytes }) => bytes);
    const range = `${formatBytes(Math.min(...sizes))} to ${formatBytes(Math.max(...sizes))}`;
    const speed = `${formatBytes(loadBytesPerSecond)}/s`;
    return {
      figure: `${objects.length} objects of ${range}, ${formatBytes(scene.dataBytes)} in all, by ${await rcloneVersion(scene.town.signal)} at ${speed}; ${other}`,
      measures: { loadBytesPerSecond, loadedObjects: objects.length },
    };
  },
};

/** What was loaded, and how. */
interface LoadedData {
  readonly objects: readonly KnownObject[];
  /** Folder that it came from. */
  readonly files: string;
  readonly loadBytesPerSecond: number;
}

/** Loads the data of a scene, and has others read and write from then on. */
export async function load(scene: ArchiveScene): Promise<LoadedData> {
  const { town, dataBytes, slack } = scene;
  const random = seededRandom(scene.random.int(0, seedMax));
  const folders = ['files', 'traffic'].map((name) => join(dataFolder(town), name));
  const [files = '', folder = ''] = folders;
  for (const one of folders) await mkdir(one, { recursive: true, mode: 0o700 });
  const { signal } = town;
  const objects = await prepareData(files, { bytes: dataBytes, tree, random, signal });
  const client = await openClient(scene);
  const startedMs = performance.now();
  await client.load(files);
  const loadSeconds = (performance.now() - startedMs) / 1_000;
  const loadBytesPerSecond = Math.round(dataBytes / loadSeconds);
  scene.client = client;
  scene.traffic = Traffic.start({
    ...{ client, objects, random, folder, signal },
    ...{ writtenBytesMax: writtenBytesMax(dataBytes), hangMs: hangMsDefault * slack },
    removedEvery: scene.removedEvery,
  });
  return { objects, files, loadBytesPerSecond };
}

/** From this size on awscli uploads in parts, bytes. */
const partedBytes = 8 * 2 ** 20;

/** An object there and back by another client, in parts where there is one of that size. @returns what came of it, for people */
async function byAnother(
  scene: ArchiveScene,
  files: string,
  objects: readonly KnownObject[],
): Promise<string> {
  const bySize = objects.toSorted((a, b) => a.bytes - b.bytes);
  const object = bySize.find(({ bytes }) => bytes > partedBytes) ?? bySize.at(-1);
  if (object === undefined) throw new Error('nothing was loaded');
  const back = join(dataFolder(scene.town), 'back');
  const access = await storeAccess(scene);
  const version = await roundTrip(access, join(files, object.key), back);
  if (version === undefined) return 'no awscli on this machine to try as well';
  const { sha256 } = await sumOfFile(back, scene.town.signal);
  must(sha256 === object.sha256, `${version} got other bytes back than it gave`);
  await rm(back);
  return `${formatBytes(object.bytes)} there and back by ${version}`;
}
