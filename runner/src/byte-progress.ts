import { formatBytes } from '@commongrid/base';

import type { Terminal } from './terminal.ts';

interface Progress {
  readonly doneBytes: number;
  /** Undefined where nobody knows. */
  readonly totalBytes: number | undefined;
}

const barWidth = 30;
const firstShownMs = 1000;
const shownEveryMs = 200;
const clearLine = '\u001b[K';

/** Shows a bar while `work` lasts, once it takes over a second and somebody watches. */
export async function withByteProgress<T>(
  terminal: Terminal,
  text: string,
  work: (onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  if (!terminal.isWatched) return work(() => {});
  const startedMs = performance.now();
  let nextMs = startedMs + firstShownMs;
  let isShown = false;
  try {
    return await work((progress) => {
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

/** `verifying [#####-----] 50 % of 1 GiB, 120 MB/s` */
export function progressLine(
  text: string,
  { doneBytes, totalBytes }: Progress,
  tookMs: number,
): string {
  const rate = `${Math.round(doneBytes / 1000 / Math.max(1, tookMs))} MB/s`;
  if (totalBytes === undefined) return `${text} ${formatBytes(doneBytes)}, ${rate}`;
  const part = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const filled = Math.floor(part * barWidth);
  const bar = '#'.repeat(filled) + '-'.repeat(barWidth - filled);
  return `${text} [${bar}] ${Math.floor(part * 100)} % of ${formatBytes(totalBytes)}, ${rate}`;
}
