import { arch, cpus, release, totalmem } from 'node:os';

import { runTool } from './run-tool.ts';

/** The machine that figures were taken on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: `Linux ${release()} ${arch()}`,
  };
}

/** Versions of what figures depend on; `none` for a program that is not there. */
export async function versionsOf(root: string): Promise<Record<string, string>> {
  const commit = await runTool('git', ['rev-parse', '--short', 'HEAD'], root).catch(
    () => undefined,
  );
  const redis = await runTool('redis-server', ['--version'], root).catch(() => undefined);
  return {
    commit: commit?.ok === true ? commit.output : 'none',
    node: process.versions.node,
    redis: /v=(\S+)/.exec(redis?.output ?? '')?.[1] ?? 'none',
  };
}
