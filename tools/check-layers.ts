// Holds the code to layers.json: imports point down, and only through doors.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { findImportFaults, findManifestFaults } from './layers.ts';
import type { Layers, Manifest } from './layers.ts';
import { readSourceFiles, reportFaults, root } from './source-files.ts';

const layers = JSON.parse(await readFile(join(root, 'layers.json'), 'utf8')) as Layers;
const sources = await readSourceFiles('*/**/*.ts');
const manifests = await readSourceFiles('*/**/package.json');

reportFaults([
  ...sources.flatMap((file) => findImportFaults(file, layers)),
  ...manifests.flatMap(({ path, text }) =>
    findManifestFaults(dirname(path), JSON.parse(text) as Manifest, layers),
  ),
]);
