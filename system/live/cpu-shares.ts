import { readdir, readFile } from 'node:fs/promises';
import { cpuSecondsOf } from '../bench/index.ts';

/** Programs of a grid by what they are, each with the numbers of its processes. */
export type Programs = ReadonlyMap<string, readonly number[]>;

/** What the programs of a grid use of the processors, beside each other. */
export class CpuShares {
  readonly #programs: Programs;
  readonly #before: ReadonlyMap<string, number>;

  private constructor(programs: Programs, before: ReadonlyMap<string, number>) {
    this.#programs = programs;
    this.#before = before;
  }

  static async begin(programs: Programs): Promise<CpuShares> {
    return new CpuShares(programs, await usedBy(programs));
  }

  /** @returns in words, what each used since then for one of so many */
  async end(count: number): Promise<string> {
    const now = await usedBy(this.#programs);
    const words = [...now].map(([name, seconds]) => {
      const ms = ((seconds - (this.#before.get(name) ?? 0)) * 1_000) / count;
      return `${name} ${ms.toFixed(0)} ms`;
    });
    return words.join(', ');
  }
}

/** A process, and those that it started and that still run. */
export async function withChildren(pid: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const texts = threads.map((id) => readFile(`/proc/${pid}/task/${id}/children`, 'utf8'));
  const children = (await Promise.all(texts)).flatMap((text) => text.split(' ').filter(Boolean));
  const below = await Promise.all(children.map((child) => withChildren(Number(child))));
  return [pid, ...below.flat()];
}

async function usedBy(programs: Programs): Promise<ReadonlyMap<string, number>> {
  const used = [...programs].map(async ([name, pids]) => {
    const each = await Promise.all(pids.map(cpuSecondsOf));
    return [name, each.reduce((sum, one) => sum + one, 0)] as const;
  });
  return new Map(await Promise.all(used));
}
