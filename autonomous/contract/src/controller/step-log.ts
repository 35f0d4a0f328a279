/** Steps of a contract that are remembered: the newest ones. */
const stepsMax = 50;

/** A record that a controller appended. */
export interface StepNote {
  /** Log time of the view that it acted on, ms since 1970. */
  readonly at: number;
  readonly url: string;
  readonly obj: string;
}

/** What a controller did last, for people; the log has all of it. */
export class StepLog {
  readonly #steps: StepNote[] = [];

  get steps(): readonly StepNote[] {
    return [...this.#steps];
  }

  note(step: StepNote): void {
    this.#steps.push(step);
    if (this.#steps.length > stepsMax) this.#steps.shift();
  }
}
