import type { DemoFrame } from '@commongrid/system/demo';

import type { Style } from '../terminal.ts';
import { describeDemo } from './describe-demo.ts';
import { LiveLines } from './live-lines.ts';

/** Frames of a demo on the terminal behind stderr, below what is printed. */
export class DemoView implements Disposable {
  readonly #style: Style;
  readonly #live = new LiveLines(process.stderr);
  #former: DemoFrame | undefined;
  /** By which throughput is measured: frames may come close together. */
  #measured: DemoFrame | undefined;

  constructor(style: Style) {
    this.#style = style;
  }

  show(frame: DemoFrame): void {
    const isApart = frame.sinceMs - (this.#former?.sinceMs ?? 0) >= leastMs;
    if (isApart) [this.#measured, this.#former] = [this.#former, frame];
    this.#live.show(describeDemo(frame, this.#measured, this.#style));
  }

  /** Prints what is to stay. */
  above(print: () => void): void {
    this.#live.above(print);
  }

  close(): void {
    this.#live.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Throughput is that of so long at least, ms. */
const leastMs = 2_000;
