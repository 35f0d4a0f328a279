/** A step of a demo: it does something, and holds what came of it against what was promised. */
export interface DemoStep<Scene> {
  readonly name: string;
  /** Names of steps without which it makes no sense. */
  readonly needs?: readonly string[];
  /** @returns what was measured, for people @throws when a promise was not kept */
  run(scene: Scene): Promise<string | StepOutcome>;
}

/** What a step measured. */
export interface StepOutcome {
  /** For people. */
  readonly figure: string;
  /** Numbers by name, each with its unit at the end of the name: `shardReplacedSeconds`. */
  readonly measures: Measures;
}

export type Measures = Readonly<Record<string, number>>;

export interface StepResult {
  readonly name: string;
  readonly passed: boolean;
  readonly seconds: number;
  /** What was measured, or why it failed. */
  readonly figure: string;
  /** Numbers of it by name; none where it failed. */
  readonly measures: Measures;
}

/** What came of all steps. */
export interface DemoReport {
  readonly steps: readonly StepResult[];
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
}

/** Is told how steps go. */
export interface StepListener {
  onStart?(name: string): void;
  onResult(result: StepResult): void;
}

/**
 * Runs steps one after another. One that fails does not keep others from being tried, unless they need it: those fail
 * as well, with its name. After an abort none is tried.
 */
export async function runSteps<Scene>(
  steps: readonly DemoStep<Scene>[],
  scene: Scene,
  { listener, signal }: { readonly listener: StepListener; readonly signal: AbortSignal },
): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  for (const step of steps) {
    const missing = step.needs?.find((name) => {
      return results.some((one) => one.name === name && !one.passed);
    });
    let why = missing === undefined ? undefined : `it needs ${missing}`;
    if (signal.aborted) why = 'it was ended';
    if (why === undefined) listener.onStart?.(step.name);
    const result = why === undefined ? await attempt(step, scene) : notTried(step.name, why);
    results.push(result);
    listener.onResult(result);
  }
  return results;
}

/** Runs one step. It does not throw. */
export async function attempt<Scene>(step: DemoStep<Scene>, scene: Scene): Promise<StepResult> {
  const startedMs = performance.now();
  const of = (passed: boolean, figure: string, measures: Measures = {}): StepResult => {
    return { name: step.name, passed, seconds: secondsSince(startedMs), figure, measures };
  };
  try {
    const outcome = await step.run(scene);
    if (typeof outcome === 'string') return of(true, outcome);
    return of(true, outcome.figure, outcome.measures);
  } catch (error) {
    return of(false, error instanceof Error ? error.message : String(error));
  }
}

function notTried(name: string, why: string): StepResult {
  return {
    ...{ name, passed: false, seconds: 0, measures: {} },
    figure: `not tried: ${why}`,
  };
}

/** @param startedMs of `performance.now()` */
function secondsSince(startedMs: number): number {
  return Math.round((performance.now() - startedMs) / 100) / 10;
}

/** @param startedMs of `performance.now()`, before anything was done */
export function reportOf(steps: readonly StepResult[], startedMs: number): DemoReport {
  const passed = steps.filter((one) => one.passed).length;
  return { steps, passed, failed: steps.length - passed, seconds: secondsSince(startedMs) };
}

/** `PASS  12.3 s  contract: …` */
export function stepLine({ name, passed, seconds, figure }: StepResult): string {
  const took = `${seconds.toFixed(1)} s`.padStart(8);
  return `${passed ? 'PASS' : 'FAIL'} ${took}  ${name}: ${figure}`;
}

/** The last line of a demo. */
export function lastLine(demo: string, { passed, failed, seconds }: DemoReport): string {
  return `demo ${demo}: ${passed} passed, ${failed} failed in ${Math.round(seconds)} s`;
}
