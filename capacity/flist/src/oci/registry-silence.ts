import { isGridError } from '@commongrid/base';

/** Ends a request when nothing was heard for a while. */
export class Silence {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly signal: AbortSignal;
  isOver = false;

  constructor(ms: number, signal: AbortSignal | undefined) {
    this.#timer = setTimeout(() => {
      this.isOver = true;
      this.#controller.abort();
    }, ms);
    const own = this.#controller.signal;
    this.signal = signal === undefined ? own : AbortSignal.any([own, signal]);
  }

  heard(): void {
    if (!this.isOver) this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** The body of an answer, piece by piece; its end, or an error, ends the watch. */
export async function* watchedBody(
  body: ReadableStream<Uint8Array> | null,
  watch: Silence,
  failure: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const piece of body ?? []) {
      watch.heard();
      yield piece;
      // What its reader takes is not the silence of the registry.
      watch.heard();
    }
  } catch (error) {
    throw isGridError(error) ? error : failure(error);
  } finally {
    watch.end();
  }
}
