import { posix } from 'node:path';

import type { SourceFile } from './source-files.ts';

/** The allowed arrows of layers.json. */
export interface Layers {
  /** Folder of each package, and the folders that it may import. */
  readonly packages: Readonly<Record<string, readonly string[]>>;
  /** Packages that every `bench/` folder may import. */
  readonly fromBench: readonly string[];
  readonly doors: readonly string[];
  /** Doors that only tests and benchmarks may use. */
  readonly testDoors: readonly string[];
}

/** What the check needs of a package.json. */
export interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const scope = '@commongrid/';

/** Faults of one TypeScript file: imports that no arrow allows, or that miss a door. */
export function findImportFaults(file: SourceFile, layers: Layers): string[] {
  const home = packageOf(file.path, layers);
  if (home === undefined) return [`${file.path}: belongs to no package of layers.json`];
  const faults: string[] = [];
  for (const target of importsOf(file.text)) {
    const problem = target.startsWith('.')
      ? leavesPackage(file.path, target, home)
      : target.startsWith(scope) && crossesWrongly(file.path, target, home, layers);
    if (problem) faults.push(`${file.path}: imports ${target}: ${problem}`);
  }
  if (file.path.endsWith('/src/index.ts') && !isDoor(file.text)) {
    faults.push(`${file.path}: a door holds re-exports only`);
  }
  return faults;
}

/** Faults of a package.json: doors that do not exist, dependencies against the arrows. */
export function findManifestFaults(folder: string, manifest: Manifest, layers: Layers): string[] {
  const allowed = layers.packages[folder];
  if (allowed === undefined) return [`${folder}: is no package of layers.json`];
  const doors = Object.keys(manifest.exports ?? {})
    .filter((door) => !layers.doors.includes(door))
    .map((door) => `${folder}/package.json: ${door} is no door of layers.json`);
  const dependencies = Object.keys(manifest.dependencies ?? {})
    .filter((name) => name.startsWith(scope))
    .filter((name) => !allowed.some((target) => nameOf(target) === name))
    .map((name) => `${folder}/package.json: depends on ${name}, which no arrow allows`);
  return [...doors, ...dependencies];
}

/** The specifiers of static, dynamic and type imports and of re-exports. */
export function importsOf(text: string): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?\s*['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]/g;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? '');
}

function leavesPackage(path: string, target: string, home: string): string | undefined {
  const reached = posix.join(posix.dirname(path), target);
  return reached.startsWith(`${home}/`) ? undefined : 'a relative path may not leave its package';
}

function crossesWrongly(
  path: string,
  target: string,
  home: string,
  layers: Layers,
): string | undefined {
  const [name = '', ...rest] = target.slice(scope.length).split('/');
  const door = rest.length === 0 ? '.' : `./${rest.join('/')}`;
  const reached = Object.keys(layers.packages).find((folder) => nameOf(folder) === scope + name);
  if (reached === undefined) return 'is no package of layers.json';
  if (reached === home) return 'a package reaches itself by relative paths';
  const isBench = path.includes('/bench/');
  const arrows = [...(layers.packages[home] ?? []), ...(isBench ? layers.fromBench : [])];
  if (!arrows.includes(reached)) return `no arrow leads from ${home} to ${reached}`;
  if (!layers.doors.includes(door)) return `${door} is no door`;
  if (layers.testDoors.includes(door) && !isTestFile(path)) return `${door} is for tests only`;
  return undefined;
}

function isTestFile(path: string): boolean {
  return /\.test\.ts$|\/(test|bench|testing)\/|^system\//.test(path);
}

function isDoor(text: string): boolean {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').trim();
  return code
    .split(';')
    .filter((statement) => statement.trim() !== '')
    .every((statement) => /^export (type )?(\*|\{[^}]*\})( from '[^']+')?$/.test(statement.trim()));
}

function packageOf(path: string, { packages }: Layers): string | undefined {
  return Object.keys(packages).find((folder) => path.startsWith(`${folder}/`));
}

function nameOf(folder: string): string {
  return scope + posix.basename(folder);
}
