import { spawn } from 'node:child_process';

import { childVariables } from '../environment.ts';

export interface ToolResult {
  /** True when the tool ended with status 0. */
  readonly ok: boolean;
  /** What it wrote to stdout and stderr, in order. */
  readonly output: string;
  readonly seconds: number;
}

/** Runs one program of the house to its end and collects its words. */
export async function runTool(
  command: string,
  words: readonly string[],
  folder: string,
): Promise<ToolResult> {
  const startedMs = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const child = spawn(command, words, {
    cwd: folder,
    env: childVariables({ NO_COLOR: '1', FORCE_COLOR: undefined }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const parts: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => parts.push(part));
  child.stderr.on('data', (part: Buffer) => parts.push(part));
  child.on('error', reject);
  child.on('close', (status) => resolve(status === 0));
  const ok = await promise;
  const seconds = (performance.now() - startedMs) / 1000;
  return { ok, output: Buffer.concat(parts).toString().trim(), seconds };
}
