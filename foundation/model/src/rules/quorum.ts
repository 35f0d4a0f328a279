/** One line of a policy with its circles taken apart. */
export interface QuorumLine {
  readonly role: string;
  readonly signers: ReadonlySet<string>;
  readonly min: number;
}

/** What somebody said, in which role. */
export interface Vote {
  readonly who: string;
  readonly role: string;
}

export type QuorumVerdict = 'met' | 'open' | 'impossible';

/**
 * Whether every line has its `min` approvals, where each signer counts once and in one role only;
 * if not, whether those who have not spoken can still bring it about.
 */
export function judgeQuorum(
  lines: readonly QuorumLine[],
  approvals: readonly Vote[],
  rejections: readonly Vote[],
): QuorumVerdict {
  const approved = new Map(approvals.map(({ who, role }) => [who, role]));
  const counts = new Map<string, number>();
  for (const [who, role] of approved) {
    const line = lines.find((one) => one.role === role);
    if (line?.signers.has(who) === true) counts.set(role, (counts.get(role) ?? 0) + 1);
  }
  const missing = lines.map(({ role, min }) => Math.max(0, min - (counts.get(role) ?? 0)));
  if (missing.every((count) => count === 0)) return 'met';
  const silenced = new Set([...approved.keys(), ...rejections.map(({ who }) => who)]);
  const free = lines.map(
    ({ signers }) => new Set([...signers].filter((signer) => !silenced.has(signer))),
  );
  return canFill(missing, free) ? 'open' : 'impossible';
}

/** Whether a policy can be met at all: enough different signers for all its lines together. */
export function isFeasible(lines: readonly QuorumLine[]): boolean {
  return canFill(
    lines.map(({ min }) => min),
    lines.map(({ signers }) => signers),
  );
}

/**
 * Whether different signers can be found for all places, `places[i]` of them out of `signers[i]`.
 * Augmenting paths (Kuhn): each place asks for a signer, who may move to another place of theirs.
 */
function canFill(places: readonly number[], signers: readonly ReadonlySet<string>[]): boolean {
  const lineOf = new Map<string, number>();
  const place = (line: number, tried: Set<string>): boolean => {
    for (const signer of signers[line] ?? []) {
      if (tried.has(signer)) continue;
      tried.add(signer);
      const taken = lineOf.get(signer);
      if (taken !== undefined && (taken === line || !place(taken, tried))) continue;
      lineOf.set(signer, line);
      return true;
    }
    return false;
  };
  return places.every((count, line) => {
    for (let filled = 0; filled < count; filled++) {
      if (!place(line, new Set())) return false;
    }
    return true;
  });
}
