import { basename, extname } from 'node:path';

import type { SourceFile } from './source-files.ts';

/** Code longer than this is two files. */
const maxLines = 500;

/** Names that other programs expect. */
const fixedNames = new Set(['README.md', 'CHANGELOG.md', 'LICENSE']);

/** Folders in which people keep their work: a path into one means nothing to others. */
const privateFolder = /(?<![\w.~])\/(home|Users|root|work|workspace)\/[\w.-]/;

/** Faults of one file. */
export function findTidyFaults({ path, text }: SourceFile): string[] {
  const faults: string[] = [];
  const name = basename(path);
  if (!fixedNames.has(name) && !/^[a-z0-9.]+(-[a-z0-9.]+)*$/.test(name)) {
    faults.push(`${path}: file names are kebab-case`);
  }
  if (path.includes('/fixtures/')) return faults;
  const lines = text.split('\n');
  if (extname(path) === '.ts' && lines.length > maxLines + 1) {
    faults.push(`${path}: ${lines.length} lines; more than ${maxLines} is two files`);
  }
  lines.forEach((line, index) => {
    const fault = findLineFault(path, line);
    if (fault !== undefined) faults.push(`${path}:${index + 1}: ${fault}`);
  });
  return faults;
}

function findLineFault(path: string, line: string): string | undefined {
  if (privateFolder.test(line)) return 'names a folder of one machine';
  if (/package-lock|npmrc/.test(path) && /"resolved": "https?:|^registry\s*=/.test(line)) {
    return 'names a package registry';
  }
  if (/\.(ts|sh|md)$/.test(path) && /\b(?:TO|FIX)(?:DO|ME)\b(?!\(\S+\)|\|)/.test(line)) {
    return 'a note of work to do names its owner in parentheses';
  }
  return undefined;
}
