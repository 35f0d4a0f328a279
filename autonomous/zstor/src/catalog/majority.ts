import { GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

export interface AskOptions {
  readonly timeoutMs: number;
  /** What is asked for, for the message. */
  readonly what: string;
  readonly clock?: Clock;
}

/**
 * Asks all members of all groups, and resolves with the answers as soon as in each group a majority
 * has answered. Later answers are ignored.
 * @throws ZSTOR_CATALOG_NO_MAJORITY as soon as that cannot be any more, or after `timeoutMs`;
 *   ZSTOR_CATALOG_FENCED if a member said so
 */
export function askMajority<M extends { readonly name: string }, T>(
  groups: readonly (readonly M[])[],
  ask: (member: M) => Promise<T>,
  options: AskOptions,
): Promise<ReadonlyMap<M, T>> {
  const { clock = systemClock, timeoutMs } = options;
  const answers = new Map<M, T>();
  const failures = new Map<M, unknown>();
  const { promise, resolve, reject } = Promise.withResolvers<ReadonlyMap<M, T>>();
  const refuse = (): void => reject(noMajority(options.what, groups, answers, failures));
  const timer = clock.setTimer(timeoutMs, refuse);
  const look = (): void => {
    if (groups.every((group) => hasMajority(group, answers))) {
      timer.cancel();
      resolve(new Map(answers));
    } else if (groups.some((group) => hasBlockingPart(group, failures))) {
      timer.cancel();
      refuse();
    }
  };
  for (const member of new Set(groups.flat())) {
    ask(member).then(
      (answer) => {
        answers.set(member, answer);
        return look();
      },
      (error: unknown) => {
        failures.set(member, error);
        look();
      },
    );
  }
  return promise;
}

/** More than half of the group. */
function hasMajority<M>(group: readonly M[], found: ReadonlyMap<M, unknown>): boolean {
  return 2 * group.filter((member) => found.has(member)).length > group.length;
}

/** So many that the others are no majority. */
function hasBlockingPart<M>(group: readonly M[], found: ReadonlyMap<M, unknown>): boolean {
  return 2 * group.filter((member) => found.has(member)).length >= group.length;
}

function noMajority<M extends { readonly name: string }>(
  what: string,
  groups: readonly (readonly M[])[],
  answers: ReadonlyMap<M, unknown>,
  failures: ReadonlyMap<M, unknown>,
): GridError<ZstorErrorCode> {
  const size = new Set(groups.flat()).size;
  const isFenced = [...failures.values()].some((e) => isGridError(e, 'ZSTOR_CATALOG_FENCED'));
  const codes = [...failures].map(([member, error]) => [
    member.name,
    isGridError(error) ? error.code : String(error),
  ]);
  const details = { failures: Object.fromEntries(codes) };
  if (isFenced) {
    return new GridError('ZSTOR_CATALOG_FENCED', `${what}: another head took over`, {
      hint: 'ask the other head',
      details,
    });
  }
  return new GridError(
    'ZSTOR_CATALOG_NO_MAJORITY',
    `${what}: ${answers.size} of ${size} members of the log answered`,
    { hint: 'bring a member back', retryable: true, details, cause: [...failures.values()][0] },
  );
}
