// Lists the named limits that the tests of a run did not reach, by what V8 says was run:
//   NODE_V8_COVERAGE=FOLDER node --test FILES; node tools/unreached-limits.ts FOLDER
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { limitSitesOf, limitsReached } from './limit-sites.ts';
import type { ScriptCoverage } from './limit-sites.ts';
import { readSourceFiles, root } from './source-files.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('name the folder that NODE_V8_COVERAGE had');

const sites = limitSitesOf(await readSourceFiles('*/**/src/**/*.ts'));
const limits = new Set(sites.map(({ limit }) => limit));
const reached = new Set<string>();
for (const name of await readdir(folder)) {
  for (const script of await scriptsOf(join(folder, name))) {
    const path = relative(root, fileURLToPath(script.url));
    for (const limit of limitsReached(sites, path, script)) reached.add(limit);
  }
}
for (const limit of [...limits].filter((one) => !reached.has(one))) {
  process.stdout.write(`${limit}\n`);
}
process.stderr.write(
  `${reached.size} of ${limits.size} limits that are compared with were reached\n`,
);

async function scriptsOf(file: string): Promise<ScriptCoverage[]> {
  const { result } = JSON.parse(await readFile(file, 'utf8')) as {
    readonly result: readonly ScriptCoverage[];
  };
  return result.filter(({ url }) => url.startsWith('file://'));
}
