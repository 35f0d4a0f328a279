import { isUtf8 } from 'node:buffer';

import { S3Error } from '../protocol/s3-error.ts';
import { actionRules, actions } from './actions.ts';
import type { Action } from './actions.ts';
import type { ConditionFacts } from './condition-keys.ts';
import { duplicateName } from './duplicate-names.ts';
import { fitsPattern } from './pattern.ts';
import { parseConditions } from './policy-conditions.ts';
import type { Condition } from './policy-conditions.ts';

/** Longest policy, bytes, as at AWS. */
const policyBytesMax = 20 << 10;
/** Longest pattern of a resource, characters: a bucket, a key and some wildcards. */
const resourceLengthMax = 1200;

const resourcePrefix = 'arn:aws:s3:::';
const userPrincipal = /^arn:aws:iam:::user\/([\w+=,.@-]{1,64})$/;

/** What a policy says of one action: nothing when no statement fits. */
export type PolicyVerdict = 'allow' | 'deny' | undefined;

/** Who does what with which resource. */
export interface PolicyQuestion {
  readonly action: Action;
  /** `BUCKET` or `BUCKET/KEY`. */
  readonly resource: string;
  readonly facts: ConditionFacts;
}

interface Statement {
  readonly isAllow: boolean;
  /** undefined: everybody, whoever asks without a signature too. */
  readonly users: ReadonlySet<string> | undefined;
  readonly actions: ReadonlySet<Action>;
  readonly resources: readonly string[];
  /** The statement is about all resources but these. */
  readonly isExcluding: boolean;
  readonly conditions: readonly Condition[];
}

/** A bucket policy: JSON in the language of AWS, all of whose parts are understood. */
export class Policy {
  readonly #statements: readonly Statement[];

  private constructor(statements: readonly Statement[]) {
    this.#statements = statements;
  }

  /**
   * Reads the policy of a bucket. What is not known here is refused, and never passed over.
   * @throws S3Error MalformedPolicy, MissingRequestBodyError
   */
  static parse(bytes: Buffer, bucket: string): Policy {
    if (bytes.length === 0) throw new S3Error('MissingRequestBodyError');
    if (bytes.length > policyBytesMax) throw malformed('Policies must not exceed 20 KB.');
    const root = membersOf(parseJson(bytes), 'The policy', ['Version', 'Id', 'Statement']);
    const version = root['Version'] ?? '2008-10-17';
    if (version !== '2012-10-17' && version !== '2008-10-17') {
      throw malformed('The policy must contain a valid version string.');
    }
    checkText(root['Id'], 'Id');
    const listed = listOf(root['Statement']);
    if (listed.length === 0) throw malformed('Could not parse the policy: Statement is empty!');
    return new Policy(listed.map((statement) => parseStatement(statement, bucket)));
  }

  /** What the policy says: an explicit deny goes ahead of all that is allowed. */
  judge(question: PolicyQuestion): PolicyVerdict {
    let verdict: PolicyVerdict;
    for (const statement of this.#statements) {
      if (verdict === 'allow' && statement.isAllow) continue;
      if (!fits(statement, question)) continue;
      if (!statement.isAllow) return 'deny';
      verdict = 'allow';
    }
    return verdict;
  }

  /** Whether it allows something to everybody, whatever the conditions: GetBucketPolicyStatus. */
  get isPublic(): boolean {
    return this.#statements.some(({ isAllow, users }) => isAllow && users === undefined);
  }

  /** The users that it names. */
  get userNames(): readonly string[] {
    return [...new Set(this.#statements.flatMap(({ users }) => [...(users ?? [])]))];
  }
}

function fits(statement: Statement, { action, resource, facts }: PolicyQuestion): boolean {
  const { users, resources, isExcluding, conditions } = statement;
  if (users !== undefined && (facts.user === undefined || !users.has(facts.user.name))) {
    return false;
  }
  if (!statement.actions.has(action)) return false;
  if (resources.some((pattern) => fitsPattern(resource, pattern)) === isExcluding) return false;
  return conditions.every((condition) => condition.holds(facts));
}

function parseStatement(value: unknown, bucket: string): Statement {
  const members = membersOf(value, 'Statement', [
    ...['Sid', 'Effect', 'Principal', 'NotPrincipal', 'Action', 'NotAction'],
    ...['Resource', 'NotResource', 'Condition'],
  ]);
  checkText(members['Sid'], 'Sid');
  const { Effect: effect, Condition: condition } = members;
  if (effect !== 'Allow' && effect !== 'Deny') throw malformed(`Invalid effect: ${show(effect)}`);
  if ('NotPrincipal' in members) throw malformed('NotPrincipal is not implemented.');
  const isExcluding = !('Resource' in members);
  const resources = parseResources(either(members, 'Resource', 'NotResource'), bucket);
  const chosen = parseActions(members);
  if (!isExcluding) checkReach(chosen, resources, bucket);
  return {
    isAllow: effect === 'Allow',
    users: parsePrincipal(members['Principal']),
    actions: new Set(chosen),
    resources,
    isExcluding,
    conditions: condition === undefined ? [] : parseConditions(condition),
  };
}

function parsePrincipal(value: unknown): ReadonlySet<string> | undefined {
  if (value === '*') return undefined;
  const named = membersOf(value, 'Principal', ['AWS'])['AWS'];
  const names = textsOf(named, 'Principal');
  if (names.includes('*')) return undefined;
  return new Set(
    names.map((name) => {
      const user = userPrincipal.exec(name)?.[1];
      if (user !== undefined) return user;
      throw malformed(`Invalid principal in policy: ${name}. Users are arn:aws:iam:::user/NAME.`);
    }),
  );
}

function parseActions(members: Members): readonly Action[] {
  const isExcluding = !('Action' in members);
  const patterns = textsOf(either(members, 'Action', 'NotAction'), 'Action');
  for (const pattern of patterns) {
    if (!actions.some((action) => isNamed(action, pattern))) {
      throw malformed(`Policy has invalid action: ${pattern}`);
    }
  }
  return actions.filter(
    (action) => patterns.some((pattern) => isNamed(action, pattern)) !== isExcluding,
  );
}

/** Actions are told apart in any case. */
function isNamed(action: Action, pattern: string): boolean {
  return fitsPattern(action.toLowerCase(), pattern.toLowerCase());
}

/** Without their prefix. */
function parseResources(value: unknown, bucket: string): readonly string[] {
  return textsOf(value, 'Resource').map((resource) => {
    const path = resource.slice(resourcePrefix.length);
    const isOurs =
      resource.startsWith(resourcePrefix) &&
      resource.length <= resourceLengthMax &&
      !resource.includes('${') &&
      fitsPattern(bucket, path.split('/', 1)[0] ?? '');
    if (isOurs) return path;
    throw malformed(`Policy has invalid resource: ${resource}`);
  });
}

/** A statement that can never do anything is a mistake of whoever wrote it. */
function checkReach(chosen: readonly Action[], resources: readonly string[], bucket: string): void {
  const hasBucket = resources.some((pattern) => fitsPattern(bucket, pattern));
  const hasObjects = resources.some((pattern) => /[/*]/.test(pattern));
  const reaches = chosen.some((action) =>
    actionRules[action].of === 'bucket' ? hasBucket : hasObjects,
  );
  if (!reaches) throw malformed('Action does not apply to any resource(s) in statement');
}

type Members = Readonly<Record<string, unknown>>;

function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw malformed('Policies must be valid JSON.');
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new S3Error('MalformedPolicy', 'Policies must be valid JSON.', { cause });
  }
  const twice = duplicateName(text);
  if (twice !== undefined) throw malformed(`${twice} stands twice.`);
  return value;
}

function membersOf(value: unknown, what: string, names: readonly string[]): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`${what} must be an object.`);
  }
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw malformed(`${what} has an unknown member: ${unknown}`);
  return Object.fromEntries(Object.entries(value));
}

function either(members: Members, one: string, other: string): unknown {
  if (one in members === other in members) throw malformed(`Give ${one} or ${other}.`);
  return members[one] ?? members[other];
}

function textsOf(value: unknown, what: string): readonly string[] {
  const texts = listOf(value).map((text) => {
    if (typeof text !== 'string') throw malformed(`${what} must be a text or a list of texts.`);
    return text;
  });
  if (texts.length === 0) throw malformed(`${what} is empty.`);
  return texts;
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function checkText(value: unknown, what: string): void {
  if (value !== undefined && typeof value !== 'string') throw malformed(`${what} must be a text.`);
}

function show(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 100) : typeof value;
}

function malformed(why: string): S3Error {
  return new S3Error('MalformedPolicy', why);
}
