import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { closeOnce, errorCode, isAtomicTemp, writeFileAtomic } from '@commongrid/base';
import type { Clock, Logger, Timer } from '@commongrid/base';
import { idPatterns } from '@commongrid/model';
import type { NodeId } from '@commongrid/model';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { field } from './signed-message.ts';

/**
 * How often presence that is not logged yet is written to the disk, ms: what a sequencer that is killed
 * forgets, but for the time that the writing takes.
 */
const presenceKeptEveryMs = 5000;

/** Largest file; nodes beyond it are not kept, about 300,000 of them. */
const presenceFileBytesMax = 64 * 2 ** 20;

const time = Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000 });

const unlogged = Type.Object(
  {
    node: Type.Unsafe<NodeId>(Type.String({ pattern: `^${idPatterns.node}$` })),
    /** When its next summary is due. */
    due: time,
    /** Up to where it is logged: by the times here, and as log time. */
    cut: Type.Optional(Type.Tuple([time, time])),
    /** Session, begin, end. */
    runs: Type.Array(Type.Tuple([field.counter, time, time])),
  },
  { additionalProperties: false },
);

/** When a node was seen that no summary tells yet. Times are those of the wall clock, ms since 1970. */
export type UnloggedPresence = Static<typeof unlogged>;

export interface PresenceFileOptions {
  readonly file: string;
  /** Hash of the genesis: what is kept of another log counts for nothing. */
  readonly log: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What has to be kept now; undefined when it is as it was. */
  readonly take: () => Iterable<UnloggedPresence> | undefined;
}

/**
 * Keeps what the next summaries need, in a file that is replaced every few seconds: lines of JSON, of
 * which the first says what it is, and the last is a hash over all before.
 */
export class PresenceFile implements AsyncDisposable {
  readonly #options: PresenceFileOptions;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: PresenceFileOptions) {
    this.#options = options;
    this.#schedule();
  }

  /** What a file has; nothing where there is none, or it is damaged, which is logged. */
  static async read(
    file: string,
    log: string,
    logger: Logger,
  ): Promise<readonly UnloggedPresence[]> {
    await removeHalfWritten(file);
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
    const kept = parse(text, log);
    if (kept !== undefined) return kept;
    logger.error(
      { file },
      'the file of presence is damaged or of another log: what it kept is not logged',
    );
    return [];
  }

  /** Writes what there is a last time. */
  readonly close: () => Promise<void> = closeOnce(async () => {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#writing;
    await this.#write();
  });

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.setTimer(presenceKeptEveryMs, () => {
      this.#writing = this.#write().finally(() => this.#schedule());
    });
  }

  async #write(): Promise<void> {
    const { file, log, take, logger } = this.#options;
    const kept = take();
    if (kept === undefined) return;
    try {
      const { text, left } = textOf(kept, log);
      if (left > 0) logger.error({ nodes: left }, 'the file of presence has no room for all nodes');
      await writeFileAtomic(file, text, { mode: 0o600 });
    } catch (error) {
      logger.error({ err: error, file }, 'presence could not be kept; it is tried again soon');
    }
  }
}

const format = 'grid.bcdb.presence.1';
const isUnlogged = Compile(unlogged);

function textOf(
  kept: Iterable<UnloggedPresence>,
  log: string,
): { readonly text: string; readonly left: number } {
  const lines = [`${JSON.stringify({ format, log })}\n`];
  let sizeBytes = 0;
  let left = 0;
  for (const one of kept) {
    const line = `${JSON.stringify(one)}\n`;
    if (sizeBytes + line.length > presenceFileBytesMax) {
      left++;
      continue;
    }
    sizeBytes += line.length;
    lines.push(line);
  }
  const text = lines.join('');
  return { text: `${text}${hashOf(text)}\n`, left };
}

/** Undefined where it is not what was written. */
function parse(text: string, log: string): readonly UnloggedPresence[] | undefined {
  const end = text.lastIndexOf('\n', text.length - 2) + 1;
  const body = text.slice(0, end);
  if (end === 0 || text.slice(end) !== `${hashOf(body)}\n`) return undefined;
  try {
    const [head, ...kept] = body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    if (JSON.stringify(head) !== JSON.stringify({ format, log })) return undefined;
    return kept.every((one) => isUnlogged.Check(one)) ? kept : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** A process that is killed while it writes leaves a file behind. */
async function removeHalfWritten(file: string): Promise<void> {
  const folder = dirname(file);
  for (const name of await readdir(folder)) {
    const isHalf = isAtomicTemp(name) && name.startsWith(`.${basename(file)}.`);
    if (isHalf) await rm(join(folder, name), { force: true });
  }
}
