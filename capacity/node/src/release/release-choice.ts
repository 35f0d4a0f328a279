import { join } from 'node:path';
import { readTextIfThere, silentLogger, writeFileAtomic } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

/** A version of the agent, as a `grid.software.1` record names it. */
export interface ReleaseId {
  readonly version: string;
  /** Of the image. */
  readonly digest: string;
}

/** A release that is in the folder of the node, whole. */
export interface KeptRelease extends ReleaseId {
  /** How its `grid` is run: words, of which those below `releases/` are paths in the folder. */
  readonly command: readonly string[];
}

/** A release that is to show whether it works. */
export interface TrialRelease extends KeptRelease {
  /** How long it has until it says that it works, ms from its start. */
  readonly limitMs: number;
  /** Times that it was started. */
  readonly starts: number;
}

/** A release that did not work here. */
export interface FailedRelease extends ReleaseId {
  readonly message: string;
  /** By the node's clock, ms since 1970. */
  readonly atMs: number;
  /** When it may be tried again, ms since 1970; undefined: not until another was wanted meanwhile. */
  readonly retryAtMs?: number;
}

/**
 * Which agent the keeper of a node starts: the trial if there is one, else the good one, else the one
 * before that, else what is installed. `release.json` in the node's folder, by turns of agent and
 * keeper: docs/formats/node-release.md.
 */
export interface ReleaseChoice {
  readonly schema: 'grid.node.release.1';
  /** Undefined: what is installed. */
  readonly good?: KeptRelease;
  readonly former?: KeptRelease;
  readonly trial?: TrialRelease;
  readonly failed?: FailedRelease;
}

const emptyChoice: ReleaseChoice = { schema: 'grid.node.release.1' };

/** Name of a release in the folder of a node. */
export function releaseName({ version, digest }: ReleaseId): string {
  return `${version}-${digest}`;
}

/** Whether something in the folder of releases is one; a lock and drafts are there, too. */
export function isReleaseName(name: string): boolean {
  return /^\d+[.]\d+[.]\d+-[0-9a-f]{64}$/.test(name);
}

export function isSameRelease(a: ReleaseId | undefined, b: ReleaseId | undefined): boolean {
  return a?.version === b?.version && a?.digest === b?.digest;
}

/** Where releases are kept whole. */
export function releasesFolder(folder: string): string {
  return join(folder, 'releases');
}

/** What was chosen. A file that is damaged counts as none: what is installed runs in any case. */
export async function readChoice(
  folder: string,
  logger: Logger = silentLogger,
): Promise<ReleaseChoice> {
  const text = await readTextIfThere(choicePath(folder));
  if (text === undefined) return emptyChoice;
  try {
    const choice = JSON.parse(text) as ReleaseChoice;
    if (choice.schema === emptyChoice.schema) return choice;
    throw new TypeError(`its schema is ${String(choice.schema)}`);
  } catch (error) {
    logger.error({ err: error, folder }, 'release.json cannot be read: it counts as empty');
    return emptyChoice;
  }
}

export async function writeChoice(folder: string, choice: ReleaseChoice): Promise<void> {
  const text = `${JSON.stringify(choice, undefined, 2)}\n`;
  await writeFileAtomic(choicePath(folder), text, { mode: 0o600 });
}

/** The same without the trial, which failed. */
export function failedChoice(choice: ReleaseChoice, failed: FailedRelease): ReleaseChoice {
  const { trial: _trial, ...rest } = choice;
  return { ...rest, failed };
}

function choicePath(folder: string): string {
  return join(folder, 'release.json');
}
