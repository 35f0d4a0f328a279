/** What is needed of a stream that a terminal shows. */
export interface LiveScreen {
  write(text: string): unknown;
  /** Height in lines; undefined where it is not known. */
  readonly rows?: number;
}

/** Least time between two drawings, ms. */
const everyMs = 250;
/** Where nobody knows how high the terminal is. */
const rowsUnknown = 24;

/** To the line so far above, and all from there on is gone. */
const eraseUp = (lines: number): string => (lines === 0 ? '' : `\r\u001b[${lines}A\u001b[J`);
/** Lines that are too long are cut by the terminal itself, and nothing of that stays. */
const [wrapOff, wrapOn] = ['\u001b[?7l', '\u001b[?7h'];

/**
 * Lines below what a command prints that are drawn again in place, four times a second at most. A terminal is left as
 * it was: the cursor is not hidden, and nothing is switched that is not switched back by the same write.
 */
export class LiveLines {
  readonly #screen: LiveScreen;
  #lines: readonly string[] = [];
  /** Lines that stand on the screen. */
  #shown = 0;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(screen: LiveScreen) {
    this.#screen = screen;
  }

  /** These stand there from now on, or soon. */
  show(lines: readonly string[]): void {
    if (this.#isClosed) return;
    this.#lines = lines;
    if (this.#timer !== undefined) return;
    const restMs = this.#drawnMs + everyMs - performance.now();
    if (restMs <= 0) return this.#draw();
    this.#timer = setTimeout(() => this.#draw(), restMs);
    this.#timer.unref();
  }

  /** Prints what is to stay, above them. */
  above(print: () => void): void {
    this.#screen.write(eraseUp(this.#shown));
    this.#shown = 0;
    print();
    if (!this.#isClosed) this.#draw();
  }

  /** Takes them away. Idempotent. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#screen.write(eraseUp(this.#shown));
    this.#shown = 0;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drawnMs = performance.now();
    // What scrolled away could not be drawn over.
    const lines = this.#lines.slice(0, Math.max(0, (this.#screen.rows ?? rowsUnknown) - 1));
    const text = lines.map((line) => `${line}\n`).join('');
    this.#screen.write(`${eraseUp(this.#shown)}${wrapOff}${text}${wrapOn}`);
    this.#shown = lines.length;
  }
}
