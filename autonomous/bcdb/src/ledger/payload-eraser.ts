import { readFile } from 'node:fs/promises';
import { closeOnce, errorCode, writeFileAtomic } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { LogEngine } from '../log/log-engine.ts';
import type { ProjectionService } from '../projection/projection-service.ts';
import type { EffectBatch, ObjectErased } from '../state/effect.ts';
import type { Ledger } from './ledger.ts';

export interface PayloadEraserParts {
  readonly ledger: Ledger;
  readonly engine: LogEngine;
  readonly projection: ProjectionService;
  /** Keeps how far it has come. */
  readonly file: string;
  readonly logger: Logger;
}

/** Records after which the file is written though nothing was erased: what a start reads again. */
const noteEveryRecords = 10_000;

/** Versions of an object that are asked for at a time. */
const historyPage = 500;

/**
 * Carries out erasures: once the log says that an object is erased, the payloads of all its versions
 * leave the log's files. The projection removes its own. A start goes on where the last run was.
 */
export class PayloadEraser implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #parts: PayloadEraserParts;
  readonly #ignore: () => void;
  readonly #stop = new AbortController();
  /** Everything below was carried out. */
  #through: number;
  #noted: number;
  #work: Promise<void>;

  private constructor(parts: PayloadEraserParts, through: number) {
    this.#parts = parts;
    this.#through = through;
    this.#noted = through;
    this.#work = this.#catchUp();
    this.#ignore = parts.ledger.listen((batch) => this.#enqueue(batch));
    this.close = closeOnce(async () => {
      this.#ignore();
      this.#stop.abort();
      await this.#work;
    });
  }

  static async open(parts: PayloadEraserParts): Promise<PayloadEraser> {
    return new PayloadEraser(parts, await readThrough(parts.file));
  }

  /** Resolves once all erasures that the log has so far are carried out. */
  async settled(): Promise<void> {
    await this.#work;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #enqueue(batch: EffectBatch): void {
    const hasErasures = batch.effects.some(({ kind }) => kind === 'erase');
    if (!hasErasures && batch.size - this.#noted < noteEveryRecords) return;
    this.#work = this.#work.then(() => this.#guarded(() => this.#carryOut(batch)));
  }

  #catchUp(): Promise<void> {
    return this.#guarded(async () => {
      for await (const batch of this.#parts.ledger.effects(this.#through)) {
        await this.#carryOut(batch);
      }
    });
  }

  async #carryOut({ effects, size }: EffectBatch): Promise<void> {
    if (size <= this.#through) return;
    for (const effect of effects) {
      this.#stop.signal.throwIfAborted();
      if (effect.kind === 'erase' && effect.seq >= this.#through) await this.#erase(effect);
    }
    this.#through = size;
    const isDue = effects.some(({ kind }) => kind === 'erase');
    if (isDue || size - this.#noted >= noteEveryRecords) await this.#note();
  }

  async #erase({ ns, url, obj, seq }: ObjectErased): Promise<void> {
    const { projection, engine } = this.#parts;
    await projection.waitFor(seq, { signal: this.#stop.signal });
    const origins: number[] = [];
    let before = seq;
    for (;;) {
      const page = await projection.history(ns, url, obj, { before, limit: historyPage });
      origins.push(...page.filter(({ kind }) => kind === 'put').map(({ origin }) => origin));
      const oldest = page.at(-1);
      if (oldest === undefined || page.length < historyPage) break;
      before = oldest.seq;
    }
    await engine.eraseBodies(origins);
  }

  async #note(): Promise<void> {
    await writeFileAtomic(this.#parts.file, JSON.stringify({ through: this.#through }));
    this.#noted = this.#through;
  }

  /** What cannot be carried out now is tried again at the next start. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#parts.logger.error({ err: error }, 'payloads could not be erased');
    }
  }
}

async function readThrough(file: string): Promise<number> {
  try {
    const { through } = JSON.parse(await readFile(file, 'utf8')) as { through?: unknown };
    return typeof through === 'number' ? through : 0;
  } catch (error) {
    // A damaged note costs one more reading of the log.
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return 0;
    throw error;
  }
}
