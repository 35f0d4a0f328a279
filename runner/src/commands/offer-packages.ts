import { existsSync } from 'node:fs';

import { isGridError, runProgram } from '@commongrid/base';

import { installPackages } from '../apt.ts';
import { findStaticBusybox } from '../base-image.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { GridHome } from '../home.ts';
import { installStep, lackOfMachine } from '../node/machine-lack.ts';

type PackageOptions = JsonOption & { readonly yes?: true; readonly node?: boolean };

/**
 * Installs what the machine lacks to run workloads, where somebody says yes. Without a yes, and where
 * nobody can be asked, the grid comes up without a node, and says why.
 */
export async function offerPackages(
  context: CommandContext,
  options: PackageOptions,
): Promise<void> {
  const { environment, terminal } = context;
  const home = new GridHome(environment.home);
  const isWanted = options.node ?? !existsSync(home.noNodeFile);
  // Where a node has run there is what it needs; looking for it takes time.
  const hasRun = options.yes !== true && existsSync(home.nodeControlSocket);
  if (!environment.isRoot || !isWanted || hasRun) return;
  const packages = await missingPackages(home);
  if (packages.length === 0) return;
  if (!(await isAgreed(context, options, { packages, purpose: 'to run workloads' }))) return;
  const isDone = await installPackages(packages, terminal.note);
  if (!isDone) terminal.note('apt could not install them; the grid comes up without a node');
}

/** The same for a demo: what nodes need, and the client of S3. What is missing still is told by whoever needs it. */
export async function offerDemoPackages(
  context: CommandContext,
  options: PackageOptions,
): Promise<void> {
  const { environment, terminal } = context;
  const [{ packages: ofNodes }, hasClient] = await Promise.all([
    lackOfMachine(new GridHome(environment.home).node),
    hasProgram('rclone'),
  ]);
  const packages = [...ofNodes, ...(hasClient ? [] : ['rclone'])];
  if (packages.length === 0) return;
  if (!(await isAgreed(context, options, { packages, purpose: 'for the demo' }))) return;
  if (!(await installPackages(packages, terminal.note))) {
    terminal.note('apt could not install them');
  }
}

/** What the node needs, and what images are made with: the first one, and those of solutions. */
async function missingPackages(home: GridHome): Promise<readonly string[]> {
  const [{ packages }, busybox, readsAttributes] = await Promise.all([
    lackOfMachine(home.node),
    findStaticBusybox(),
    hasProgram('getfattr'),
  ]);
  return [
    ...packages,
    ...(busybox === undefined ? ['busybox-static'] : []),
    ...(readsAttributes ? [] : ['attr']),
  ];
}

async function hasProgram(name: string): Promise<boolean> {
  try {
    await runProgram(name, ['--version']);
    return true;
  } catch (error) {
    if (isGridError(error, 'BASE_PROGRAM_MISSING')) return false;
    throw error;
  }
}

async function isAgreed(
  { terminal }: CommandContext,
  { yes, json }: PackageOptions,
  { packages, purpose }: { readonly packages: readonly string[]; readonly purpose: string },
): Promise<boolean> {
  if (yes === true) return true;
  if (!process.stdin.isTTY || !terminal.isWatched || json === true) return false;
  const { confirm } = await import('@clack/prompts');
  const message = `This machine lacks packages ${purpose}. Do this now: ${installStep(packages)}?`;
  return (await confirm({ message, output: process.stderr })) === true;
}
