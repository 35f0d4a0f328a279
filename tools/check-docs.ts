// Holds documents to the program: commands and links exist, error codes and
// limits by name are listed, schemas are published. With `--write` it makes docs/errors.md,
// docs/named-limits.md and docs/formats/*.schema.json anew.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

import { deploymentSchema, roleSchema } from '@commongrid/model';
import { commandShape } from '@commongrid/runner';

import { commandLinesOf, findCommandFault, hintLinesOf } from './command-lines.ts';
import { errorCodesOf, errorPage } from './error-codes.ts';
import { findLimitRowFaults } from './limit-rows.ts';
import { limitsPage, namedLimitsOf } from './named-limits.ts';
import { hasTest, namedTestsOf } from './named-tests.ts';
import { readSourceFiles, reportFaults, root } from './source-files.ts';
import type { SourceFile } from './source-files.ts';

const errorPageFile = join(root, 'docs', 'errors.md');
const limitsPageFile = join(root, 'docs', 'named-limits.md');
const schemaFiles: readonly (readonly [string, object])[] = [
  [join(root, 'docs', 'formats', 'deployment.schema.json'), deploymentSchema],
  [join(root, 'docs', 'formats', 'role.schema.json'), roleSchema],
];

const documents = await readSourceFiles('*.md', '*/**/*.md');
const sources = await readSourceFiles('*/**/src/**/*.ts');
const errorSources = sources.filter(({ path }) => path.endsWith('/src/errors.ts'));

if (process.argv.includes('--write')) {
  await writeFile(errorPageFile, errorPage(errorSources));
  await writeFile(limitsPageFile, limitsPage(sources));
  for (const [file, schema] of schemaFiles) await writeFile(file, schemaText(schema));
} else {
  reportFaults([
    ...(await findCommandFaults()),
    ...documents.flatMap(findLinkFaults),
    ...(await findTestFaults()),
    ...(await findErrorFaults()),
    ...(await findLimitFaults()),
    ...findLimitRowFaults(document('docs/limits.md'), document('docs/qa/limits-acceptance.md')),
    ...(await findSchemaFaults()),
  ]);
}

function document(path: string): SourceFile {
  const page = documents.find((one) => one.path === path);
  if (page === undefined) throw new Error(`${path} is missing, or its path is another one`);
  return page;
}

async function findCommandFaults(): Promise<string[]> {
  const program = await commandShape();
  const check = (file: SourceFile, lines: readonly string[]): string[] =>
    lines.flatMap((line) => {
      const fault = findCommandFault(line, program);
      return fault === undefined ? [] : [`${file.path}: grid ${line}: ${fault}`];
    });
  return [
    ...documents.flatMap((file) => check(file, commandLinesOf(file))),
    ...sources.flatMap((file) => check(file, hintLinesOf(file))),
  ];
}

function findLinkFaults({ path, text }: SourceFile): string[] {
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
  return targets
    .filter((target) => !/^(https?:|mailto:|#)/.test(target))
    .map((target) => target.split('#')[0] ?? '')
    .filter((target) => !existsSync(join(root, dirname(path), target)))
    .map((target) => `${path}: links to ${target}, which does not exist`);
}

async function findTestFaults(): Promise<string[]> {
  const faults: string[] = [];
  for (const page of documents) {
    for (const { file, name } of namedTestsOf(page)) {
      const target = join(root, dirname(page.path), file);
      const text = await readFile(target, 'utf8').catch(() => '');
      if (!hasTest(text, name)) faults.push(`${page.path}: ${file} has no test "${name}"`);
    }
  }
  return faults;
}

async function findErrorFaults(): Promise<string[]> {
  const mute = errorSources.flatMap(({ path, text }) =>
    errorCodesOf(text)
      .filter(({ meaning }) => meaning === '')
      .map(({ code }) => `${path}: ${code} needs a comment: when, and what to do`),
  );
  return [...mute, ...(await findStalePage(errorPageFile, errorPage(errorSources)))];
}

async function findLimitFaults(): Promise<string[]> {
  const mute = sources
    .filter(({ path }) => !/\.test\.ts$|\/testing\//.test(path))
    .flatMap(({ path, text }) =>
      namedLimitsOf(text)
        .filter(({ meaning }) => meaning === '')
        .map(({ name }) => `${path}: ${name} needs a comment: what it bounds`),
    );
  return [...mute, ...(await findStalePage(limitsPageFile, limitsPage(sources)))];
}

async function findSchemaFaults(): Promise<string[]> {
  const faults = schemaFiles.map(([file, schema]) => findStalePage(file, schemaText(schema)));
  return (await Promise.all(faults)).flat();
}

function schemaText(schema: object): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}

async function findStalePage(file: string, made: string): Promise<string[]> {
  const page = await readFile(file, 'utf8').catch(() => '');
  return page === made ? [] : [`${relative(root, file)}: differs from the code: grid check --fix`];
}
