/*
 * The rules of one namespace, written once more and in the plainest way: maps, sets, and everything
 * worked out anew each time it is asked for. It shares no code with the fold.
 */

/** What somebody says, as the model and the database are told it. */
export interface Said {
  /** Text of the key that signs. */
  readonly author: string;
  readonly n: number;
  readonly op: 'put' | 'del' | 'erase';
  readonly url: string;
  readonly obj: string;
  readonly prev?: string | undefined;
  readonly schema?: string | undefined;
  readonly value?: unknown;
}

interface Held {
  readonly version: string;
  readonly isLive: boolean;
  readonly value: unknown;
  readonly seq: number;
}

interface Line {
  readonly role: string;
  readonly signers: readonly string[];
  readonly min: number;
}

type Policy = Readonly<Record<string, readonly Line[]>>;

export interface PlainProposal {
  readonly author: string;
  readonly version: string;
  readonly exp: number;
  readonly policySeq: number;
  readonly change: Pick<Said, 'op' | 'url' | 'obj' | 'prev' | 'schema' | 'value'>;
  readonly votes: {
    readonly who: string;
    readonly key: string;
    readonly role: string;
    readonly isYes: boolean;
    readonly exp: number;
  }[];
  status: 'open' | 'effective' | 'rejected' | 'stale' | 'expired';
}

/** A bot: which of its keys are good, which were retired, which called compromised. */
export interface PlainBot {
  readonly id: string;
  readonly root: string;
  readonly keys: Map<string, 'valid' | 'retired' | 'compromised'>;
}

const administrative = ['namespace', 'schema', 'circle', 'acl', 'policy'].map(
  (name) => `bcdb.${name}.1`,
);

/** Why a record is refused. */
class No extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = `BCDB_${code}`;
  }
}

export class PlainModel {
  at = 0;
  readonly bots: PlainBot[] = [];
  readonly counters = new Map<string, number>();
  objects = new Map<string, Held>();
  readonly proposals = new Map<string, PlainProposal>();
  /** Hashes of schemas that a type has had, the newest last. */
  readonly schemas = new Map<string, string[]>();
  /** Objects of which some version came about by a proposal. */
  readonly carried = new Set<string>();
  readonly userUrl: string;
  /** Whether a value keeps to the schema of the one user type. */
  readonly #isValid: (value: unknown) => boolean;
  /** Hash of a schema; whether it takes all that another did. */
  readonly #schemaId: (schema: unknown) => string;

  constructor(
    userUrl: string,
    isValid: (value: unknown) => boolean,
    schemaId: (schema: unknown) => string,
  ) {
    this.userUrl = userUrl;
    this.#isValid = isValid;
    this.#schemaId = schemaId;
  }

  /** What becomes of a record: `ok`, or the code of its refusal. */
  judge(said: Said, seq: number, version: string): string {
    const before = new Map(this.objects);
    const expected = (this.counters.get(said.author) ?? 0) + 1;
    try {
      if (said.n !== expected) throw new No('COUNTER_GAP');
      if (this.#isEnded(said.author)) throw new No('KEY_ENDED');
      if (said.url === 'bcdb.proposal.1') this.#propose(said, seq, version);
      else if (said.url === 'bcdb.approval.1') this.#vote(said, seq, version);
      else this.#direct(said, seq, version);
      this.counters.set(said.author, said.n);
      return 'ok';
    } catch (error) {
      if (!(error instanceof No)) throw error;
      this.objects = before;
      return error.code;
    }
  }

  /** Log time has come to `at`. */
  tick(at: number): void {
    this.at = at;
    for (const proposal of this.proposals.values()) {
      if (proposal.status === 'open' && proposal.exp <= at) proposal.status = 'expired';
    }
  }

  held(url: string, obj: string): Held | undefined {
    return this.objects.get(`${url} ${obj}`);
  }

  live(url: string, obj: string): unknown {
    const held = this.held(url, obj);
    return held?.isLive === true ? held.value : undefined;
  }

  /** All live objects of a type. */
  all(url: string): readonly (readonly [string, Held])[] {
    return [...this.objects]
      .filter(([name, { isLive }]) => name.startsWith(`${url} `) && isLive)
      .map(([name, held]) => [name.slice(url.length + 1), held] as const);
  }

  who(key: string): string {
    const bot = this.bots.find(({ root, keys }) => root === key || keys.get(key) === 'valid');
    return bot?.id ?? key;
  }

  may(key: string, right: string, url: string, obj: string): boolean {
    const names = new Set(['anyone', key, this.who(key)]);
    for (let changed = true; changed;) {
      changed = false;
      for (const [circle, { value }] of this.all('bcdb.circle.1')) {
        const { members } = value as { readonly members: readonly string[] };
        if (names.has(`circle:${circle}`) || !members.some((one) => names.has(one))) continue;
        names.add(`circle:${circle}`);
        changed = true;
      }
    }
    type List = { readonly grants: readonly { readonly to: string; readonly rights: string[] }[] };
    const rightsOf = (list: List): readonly string[] =>
      list.grants.filter(({ to }) => names.has(to)).flatMap(({ rights }) => rights);
    const space = (this.live('bcdb.namespace.1', 'namespace') as List | undefined) ?? {
      grants: [],
    };
    if (rightsOf(space).includes('admin')) return true;
    const narrow =
      (this.live('bcdb.acl.1', `object/${url}/${obj}`) as List | undefined) ??
      (this.live('bcdb.acl.1', `type/${url}`) as List | undefined) ??
      space;
    return rightsOf(narrow).some((one) => one === right || one === 'admin');
  }

  /** Lines that a change has to meet, circles taken apart, and the sequence of their policy. */
  linesFor(
    op: string,
    url: string,
    obj: string,
  ): { readonly seq: number; readonly lines: readonly Line[] } | undefined {
    let [type, id] = [url, obj];
    let scopes = [`object/${url}/${obj}`, `type/${url}`, 'namespace'];
    if (url === 'bcdb.acl.1' || url === 'bcdb.policy.1') {
      const parts = obj.split('/');
      [type, id] = [parts[1] ?? '', parts.slice(2).join('/')];
      scopes = [`object/${type}/${id}`, `type/${type}`, 'namespace'];
      if (parts[0] === 'type') scopes = scopes.slice(1);
      if (parts[0] === 'namespace') scopes = scopes.slice(2);
    }
    let action = op === 'put' ? 'write' : 'delete';
    if (administrative.includes(url) && op !== 'erase') action = 'admin';
    for (const scope of scopes) {
      const held = this.held('bcdb.policy.1', scope);
      const lines = held?.isLive === true ? (held.value as Policy)[action] : undefined;
      if (held !== undefined && lines !== undefined) {
        return { seq: held.seq, lines: lines.map((line) => this.#spread(line)) };
      }
    }
    return undefined;
  }

  #isEnded(key: string): boolean {
    return this.bots.some(({ keys }) => (keys.get(key) ?? 'valid') !== 'valid');
  }

  #spread(line: Line): Line {
    const people = this.#members(line.signers).filter((one) => one !== 'anyone');
    return { ...line, signers: [...new Set(people.map((one) => this.who(one)))] };
  }

  /** Keys and bots behind principals. */
  #members(principals: readonly string[], above: readonly string[] = []): readonly string[] {
    return principals.flatMap((one) => {
      if (!one.startsWith('circle:')) return [one];
      if (above.includes(one)) return [];
      const circle = this.live('bcdb.circle.1', one.slice(7)) as { members: string[] } | undefined;
      return this.#members(circle?.members ?? [], [...above, one]);
    });
  }

  #direct(said: Said, seq: number, version: string): void {
    const { op, url, obj, author } = said;
    const space = this.live('bcdb.namespace.1', 'namespace');
    const isCreation = url === 'bcdb.namespace.1' && op === 'put' && space === undefined;
    if (!isCreation) {
      if (space === undefined) throw new No('NAMESPACE_UNKNOWN');
      let right = op === 'put' ? 'write' : 'delete';
      if (administrative.includes(url) || op === 'erase') right = 'admin';
      if (!this.may(author, right, url, obj)) throw new No('DENIED');
      if (this.linesFor(op, url, obj) !== undefined) throw new No('POLICY_REQUIRED');
    }
    this.#apply(said, seq, version);
  }

  #apply(
    said: Pick<Said, 'op' | 'url' | 'obj' | 'prev' | 'schema' | 'value'>,
    seq: number,
    version: string,
  ): void {
    const { op, url, obj, prev, schema, value } = said;
    const held = this.held(url, obj);
    if (held?.version !== prev) throw new No('CONFLICT');
    const isSystem = url.startsWith('bcdb.');
    const next = { version, isLive: op === 'put', value: op === 'put' ? value : undefined, seq };
    if (op === 'put') {
      if (isSystem) this.#checkSystem(url, obj, value);
      else this.#checkUser(obj, schema, value);
    } else {
      if (held === undefined || (!held.isLive && op === 'del')) throw new No('NOT_FOUND');
      if (isSystem && op === 'erase') throw new No('NAME_RESERVED');
      if (url === 'bcdb.namespace.1' || url === 'bcdb.schema.1') throw new No('NAME_RESERVED');
      if (op === 'erase' && this.carried.has(`${url} ${obj}`)) throw new No('RULE_BROKEN');
    }
    this.objects.set(`${url} ${obj}`, next);
    if (url === 'bcdb.circle.1') this.#checkCircles(obj);
    if (url === 'bcdb.circle.1' || url === 'bcdb.namespace.1') this.#checkWhole();
    if (url === 'bcdb.schema.1' && op === 'put') {
      const id = this.#schemaId((value as { readonly schema: unknown }).schema);
      this.schemas.set(obj, [...(this.schemas.get(obj) ?? []), id]);
    }
  }

  #checkSystem(url: string, obj: string, value: unknown): void {
    if (url === 'bcdb.schema.1') {
      const next = (value as { schema: { properties: Record<string, { maxLength?: number }> } })
        .schema.properties;
      const before = (this.live(url, obj) as { schema: { properties: typeof next } } | undefined)
        ?.schema.properties;
      const isNarrower = Object.entries(before ?? {}).some(([name, field]) => {
        const now = next[name];
        return now === undefined || (now.maxLength ?? 0) < (field.maxLength ?? 0);
      });
      if (isNarrower) throw new No('SCHEMA_INCOMPATIBLE');
    }
    if (url === 'bcdb.policy.1') this.#checkPolicy(value as Policy);
  }

  #checkUser(obj: string, schema: string | undefined, value: unknown): void {
    if (!(this.schemas.get(this.userUrl) ?? []).includes(schema ?? '')) {
      throw new No('SCHEMA_UNKNOWN');
    }
    if (!this.#isValid(value)) throw new No('SCHEMA_MISMATCH');
    const { code, about } = value as { readonly code?: string; readonly about?: string };
    const isTaken = this.all(this.userUrl).some(
      ([id, other]) =>
        id !== obj && code !== undefined && (other.value as { code?: string }).code === code,
    );
    if (isTaken) throw new No('UNIQUE_TAKEN');
    if (about !== undefined && about !== obj && !this.#isThere(about)) {
      throw new No('REFERENCE_MISSING');
    }
  }

  #isThere(obj: string): boolean {
    return this.live(this.userUrl, obj) !== undefined;
  }

  #checkCircles(changed: string): void {
    const inner = (circle: string): readonly string[] =>
      ((this.live('bcdb.circle.1', circle) as { members: string[] } | undefined)?.members ?? [])
        .filter((one) => one.startsWith('circle:'))
        .map((one) => one.slice(7));
    const reaches = (from: string, seen: readonly string[]): boolean =>
      inner(from).some(
        (one) => one === changed || (!seen.includes(one) && reaches(one, [...seen, one])),
      );
    if (reaches(changed, [])) throw new No('CIRCLE_CYCLE');
    const depth = (circle: string): number => 1 + Math.max(0, ...inner(circle).map(depth));
    for (const [circle] of this.all('bcdb.circle.1')) {
      if (depth(circle) > 8) throw new No('CIRCLE_DEPTH');
    }
  }

  #checkWhole(): void {
    type Grants = { readonly to: string; readonly rights: readonly string[] }[];
    const { grants } = (this.live('bcdb.namespace.1', 'namespace') as
      | { grants: Grants }
      | undefined) ?? {
      grants: [],
    };
    const admins = grants.filter(({ rights }) => rights.includes('admin')).map(({ to }) => to);
    if (this.#members(admins).length === 0) throw new No('LAST_ADMIN');
    for (const [, { value }] of this.all('bcdb.policy.1')) this.#checkPolicy(value as Policy);
  }

  #checkPolicy(policy: Policy): void {
    for (const lines of Object.values(policy)) {
      const roles = new Set(lines.map(({ role }) => role));
      if (roles.size < lines.length) throw new No('POLICY_IMPOSSIBLE');
      const isForAnyone = lines.some(({ signers }) => signers.includes('anyone'));
      const spread = lines.map((line) => this.#spread(line));
      if (isForAnyone || !canMeet(spread, [])) throw new No('POLICY_IMPOSSIBLE');
    }
  }

  #propose(said: Said, seq: number, version: string): void {
    const { obj, prev, author, value } = said;
    if (this.held(said.url, obj) !== undefined || prev !== undefined) throw new No('CONFLICT');
    if (this.live('bcdb.namespace.1', 'namespace') === undefined) throw new No('NAMESPACE_UNKNOWN');
    const { exp, policySeq, ...change } = value as PlainProposal['change'] & {
      readonly exp: number;
      readonly policySeq: number;
    };
    if (exp <= this.at) throw new No('PROPOSAL_CLOSED');
    const required = this.linesFor(change.op, change.url, change.obj);
    if (required === undefined) throw new No('PROPOSAL_STALE');
    let right = change.op === 'put' ? 'write' : 'delete';
    if (administrative.includes(change.url) || change.op === 'erase') right = 'admin';
    const isParty = required.lines.some(({ signers }) => signers.includes(this.who(author)));
    if (!isParty && !this.may(author, right, change.url, change.obj)) throw new No('DENIED');
    if (required.seq !== policySeq) throw new No('PROPOSAL_STALE');
    if (this.held(change.url, change.obj)?.version !== change.prev) throw new No('PROPOSAL_STALE');
    this.objects.set(`${said.url} ${obj}`, { version, isLive: true, value, seq });
    const votes: PlainProposal['votes'] = [];
    this.proposals.set(obj, { author, version, exp, policySeq, change, votes, status: 'open' });
  }

  #vote(said: Said, seq: number, version: string): void {
    const { obj, prev, author, value } = said;
    if (this.held(said.url, obj) !== undefined || prev !== undefined) throw new No('CONFLICT');
    if (this.live('bcdb.namespace.1', 'namespace') === undefined) throw new No('NAMESPACE_UNKNOWN');
    const vote = value as { proposal: string; role: string; verdict: string; exp: number };
    const proposal = [...this.proposals.values()].find((one) => one.version === vote.proposal);
    if (proposal === undefined) throw new No('NOT_FOUND');
    const isOver = proposal.status !== 'open' || proposal.exp <= this.at || vote.exp <= this.at;
    if (isOver) throw new No('PROPOSAL_CLOSED');
    const { change } = proposal;
    const required = this.linesFor(change.op, change.url, change.obj);
    if (required === undefined) throw new No('PROPOSAL_STALE');
    const who = this.who(author);
    const line = required.lines.find(({ role }) => role === vote.role);
    if (line?.signers.includes(who) !== true) throw new No('NOT_SIGNER');
    if (proposal.votes.some((one) => one.who === who)) throw new No('ALREADY_VOTED');
    const { role, exp } = vote;
    proposal.votes.push({ who, key: author, role, isYes: vote.verdict === 'approve', exp });
    this.objects.set(`${said.url} ${obj}`, { version, isLive: true, value, seq });
    this.#settle(proposal, required, seq);
  }

  #settle(
    proposal: PlainProposal,
    required: { readonly seq: number; readonly lines: readonly Line[] },
    seq: number,
  ): void {
    const { change, votes } = proposal;
    const isCompromised = (key: string): boolean =>
      this.bots.some(({ keys }) => keys.get(key) === 'compromised');
    const valid = votes.filter(
      ({ isYes, exp, key }) => isYes && exp > this.at && !isCompromised(key),
    );
    const missing = required.lines.map((line) => {
      const given = valid.filter(
        ({ role, who }) => role === line.role && line.signers.includes(who),
      );
      return { ...line, min: Math.max(0, line.min - given.length) };
    });
    if (missing.some(({ min }) => min > 0)) {
      if (
        !canMeet(
          missing,
          votes.map(({ who }) => who),
        )
      )
        proposal.status = 'rejected';
      return;
    }
    const head = this.held(change.url, change.obj)?.version;
    proposal.status = 'stale';
    if (required.seq !== proposal.policySeq || head !== change.prev) return;
    const before = new Map(this.objects);
    try {
      this.#apply(change, seq, proposal.version);
      this.carried.add(`${change.url} ${change.obj}`);
      proposal.status = 'effective';
    } catch (error) {
      if (!(error instanceof No)) throw error;
      this.objects = before;
    }
  }
}

/** Whether all places can be filled with different people: by trying everything. */
function canMeet(lines: readonly Line[], spent: readonly string[]): boolean {
  const line = lines.find(({ min }) => min > 0);
  if (line === undefined) return true;
  return line.signers.some(
    (one) =>
      !spent.includes(one) &&
      canMeet(
        lines.map((other) => (other === line ? { ...line, min: line.min - 1 } : other)),
        [...spent, one],
      ),
  );
}
