import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';

/**
 * When a node last had word of the log while its own signs of life came in. It outlives the agent, not
 * the run of the machine: a new agent would take itself for cut off else, and stop single writers.
 *
 * The file is a line `BOOT MS`. Guards of single writers (`GuardLimit`) read it, too: so this is what
 * moves their deadlines, and when it is not called they pass.
 */
export class LastHeard {
  readonly #file: string;
  readonly #bootId: string;
  readonly #uptimeMs: () => number;
  /** By the clock of the machine's run; undefined: not in this run. */
  #atMs: number | undefined;

  /** @param uptimeMs since the machine was started */
  constructor(file: string, bootId: string, uptimeMs: () => number = () => uptime() * 1000) {
    this.#file = file;
    this.#bootId = bootId;
    this.#uptimeMs = uptimeMs;
    this.#atMs = readKept(file, bootId);
  }

  /**
   * For how long the node was cut off, s; Infinity when it was not heard in this run of the machine.
   * @param viewAgeSeconds of the newest word on the log
   * @param silentSeconds since the last sign of life that came in was sent
   */
  ageSeconds(viewAgeSeconds: number, silentSeconds: number): number {
    const nowMs = this.#uptimeMs();
    const heardMs = nowMs - Math.max(viewAgeSeconds, silentSeconds) * 1000;
    if (Number.isFinite(heardMs) && heardMs > (this.#atMs ?? Number.NEGATIVE_INFINITY)) {
      this.#atMs = heardMs;
      // Not synced: after a loss of power the run of the machine is another one.
      writeFileSync(`${this.#file}.new`, `${this.#bootId} ${Math.floor(heardMs)}\n`, {
        mode: 0o600,
      });
      renameSync(`${this.#file}.new`, this.#file);
    }
    return this.#atMs === undefined ? Number.POSITIVE_INFINITY : (nowMs - this.#atMs) / 1000;
  }
}

/** What cannot be read says nothing: the node counts as cut off until it hears. */
function readKept(file: string, bootId: string): number | undefined {
  try {
    const [, boot, atMs] = /^(\S+) (\d+)\n$/.exec(readFileSync(file, 'utf8')) ?? [];
    return boot === bootId ? Number(atMs) : undefined;
  } catch {
    return undefined;
  }
}
