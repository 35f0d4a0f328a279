import { formatBytes } from '@commongrid/base';

import type { Terminal } from './terminal.ts';

/** How far a work on bytes is. */
export interface ByteProgress {
  readonly doneBytes: number;
  /** Undefined where nobody knows. */
  readonly totalBytes: number | undefined;
  /** Of 1, where it is known though the bytes are not. */
  readonly part?: number;
  /** Of work in steps: which one it is now. */
  readonly step?: string;
}

const barWidth = 30;
const firstShownMs = 1000;
const shownEveryMs = 200;
const clearLine = '\u001b[K';

/** Shows a bar while `work` lasts, once it takes over a second and somebody watches. */
export async function withByteProgress<T>(
  terminal: Terminal,
  text: string,
  work: (onProgress: (progress: ByteProgress) => void) => Promise<T>,
): Promise<T> {
  if (!terminal.showsProgress) return work(() => {});
  let startedMs = performance.now();
  let step: string | undefined;
  let nextMs = startedMs + firstShownMs;
  let isShown = false;
  try {
    return await work((progress) => {
      if (progress.step !== step) [step, startedMs] = [progress.step, performance.now()];
      if (performance.now() < nextMs) return;
      nextMs = performance.now() + shownEveryMs;
      isShown = true;
      const line = progressLine(text, progress, performance.now() - startedMs);
      process.stderr.write(`\r${clearLine}${line}`);
    });
  } finally {
    if (isShown) process.stderr.write(`\r${clearLine}`);
  }
}

/** The stream as it comes, and how much of it came. */
export async function* countedBytes(
  source: AsyncIterable<Uint8Array>,
  onBytes: (doneBytes: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  let doneBytes = 0;
  for await (const piece of source) {
    doneBytes += piece.length;
    onBytes(doneBytes);
    yield piece;
  }
}

/** `verifying [#####-----] 50 % of 1 GiB, 120 MB/s` */
export function progressLine(what: string, progress: ByteProgress, tookMs: number): string {
  const { doneBytes, totalBytes, step } = progress;
  const text = step === undefined ? what : `${step} ${what}`;
  const rate = `${Math.round(doneBytes / 1000 / Math.max(1, tookMs))} MB/s`;
  const part = partOf(progress);
  if (part === undefined) return `${text} ${formatBytes(doneBytes)}, ${rate}`;
  const filled = Math.floor(part * barWidth);
  const bar = '#'.repeat(filled) + '-'.repeat(barWidth - filled);
  const percent = `${Math.floor(part * 100)} %`;
  const bytes =
    totalBytes === undefined ? `, ${formatBytes(doneBytes)}` : ` of ${formatBytes(totalBytes)}`;
  return `${text} [${bar}] ${percent}${bytes}, ${rate}`;
}

function partOf({ doneBytes, totalBytes, part }: ByteProgress): number | undefined {
  if (part !== undefined || totalBytes === undefined) return part;
  return totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
}
