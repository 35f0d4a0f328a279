import { existsSync } from 'node:fs';

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
  if (packages.length === 0 || !(await isAgreed(context, options, packages))) return;
  const isDone = await installPackages(packages, terminal.note);
  if (!isDone) terminal.note('apt could not install them; the grid comes up without a node');
}

async function missingPackages(home: GridHome): Promise<readonly string[]> {
  const { packages } = await lackOfMachine(home.node);
  const busybox = await findStaticBusybox();
  return busybox === undefined ? [...packages, 'busybox-static'] : packages;
}

async function isAgreed(
  { terminal }: CommandContext,
  { yes, json }: PackageOptions,
  packages: readonly string[],
): Promise<boolean> {
  if (yes === true) return true;
  if (!process.stdin.isTTY || !terminal.isWatched || json === true) return false;
  const { confirm } = await import('@clack/prompts');
  const message = `This machine lacks packages to run workloads. Do this now: ${installStep(packages)}?`;
  return (await confirm({ message, output: process.stderr })) === true;
}
