import { contractRolesMax, networkRange, secretCharactersMax } from '@commongrid/model';
import type { Contract, ContractId } from '@commongrid/model';
import { checkNames } from './check-names.ts';
import type { DecidedAction, PolicyLine, SecretDefinition } from './contract-definition.ts';
import { definitionFault, listOf, membersOf, textOf, wholeOf } from './fault.ts';
import type { Members } from './fault.ts';
import { NotPlainError, plainValue } from './plain-value.ts';
import { readRole } from './read-role.ts';
import type { ReadRole } from './read-role.ts';

/** A definition that was held to its form, with defaults for what its author left out. */
export interface ReadDefinition {
  readonly name: string;
  readonly roles: readonly ReadRole[];
  readonly secrets: ReadonlyMap<string, SecretDefinition>;
  readonly networks: Contract['networks'];
  /** Names or ids; undefined: whoever builds it. */
  readonly owner: string | undefined;
  readonly controllers: readonly string[] | undefined;
  readonly keepers: readonly string[];
  /** Undefined: the owner alone. */
  readonly policy: Readonly<Record<DecidedAction, readonly PolicyLine[]>> | undefined;
  readonly budget: Contract['budget'] | undefined;
  /** Milliseconds since 1970; undefined: at once. */
  readonly fromMs: number | undefined;
  readonly termMs: number;
  readonly graceMs: number;
  readonly heal: Partial<Contract['heal']>;
  readonly replaces: ContractId | undefined;
  readonly mayRollBack: boolean | undefined;
}

const members = [
  // A file of JSON may name its schema, for editors.
  '$schema',
  ...['name', 'roles', 'secrets', 'networks', 'owner', 'controllers', 'keepers', 'policy'],
  ...['budget', 'from', 'days', 'graceDays', 'heal', 'replaces', 'mayRollBack'],
];
const actions: readonly DecidedAction[] = ['provision', 'upgrade', 'remove'];
const dayMs = 86_400_000;
/** Longest term, and longest grace. */
const daysMax = 3_650;

/** @throws CONTRACT_DEFINITION_INVALID with the place of the first fault in `details.path` */
export function readDefinition(value: unknown): ReadDefinition {
  const given = membersOf(dataOf(value), '', members);
  const roles = listOf(given['roles'], '/roles').map((one, at) => readRole(one, `/roles/${at}`));
  if (roles.length === 0 || roles.length > contractRolesMax) {
    throw definitionFault('/roles', `a contract has 1 to ${contractRolesMax} roles`);
  }
  const secrets = readSecrets(given['secrets']);
  const networks = readNetworks(given['networks']);
  checkNames(
    roles.map(({ role }) => role),
    { secrets: new Set(secrets.keys()), networks: new Set(networks.map(({ name }) => name)) },
  );
  const { owner, controllers, replaces, mayRollBack } = given;
  return {
    ...{ name: textOf(given['name'], '/name'), roles, secrets, networks },
    owner: owner === undefined ? undefined : textOf(owner, '/owner'),
    controllers: controllers === undefined ? undefined : textsOf(controllers, '/controllers'),
    keepers: textsOf(given['keepers'], '/keepers'),
    policy: readPolicy(given['policy']),
    budget: readBudget(given['budget']),
    fromMs: readTime(given['from']),
    termMs: termOf(given['days']),
    graceMs: wholeOf(given['graceDays'] ?? 14, '/graceDays', 0, daysMax) * dayMs,
    heal: membersOf(given['heal'] ?? {}, '/heal', [
      ...['suspectAfterMs', 'replaceAfterMs', 'maxPerHour', 'mayMoveTo'],
    ]),
    replaces: replaces === undefined ? undefined : (textOf(replaces, '/replaces') as ContractId),
    mayRollBack: mayRollBack === undefined ? undefined : mayRollBack === true,
  };
}

function dataOf(value: unknown): unknown {
  try {
    return plainValue(value);
  } catch (error) {
    if (error instanceof NotPlainError) throw definitionFault(error.path, error.message);
    throw error;
  }
}

function readSecrets(value: unknown = {}): ReadonlyMap<string, SecretDefinition> {
  const all = membersOf(value, '/secrets', Object.keys(Object(value)));
  return new Map(Object.entries(all).map(([name, one]) => [name, readSecret(one, name)]));
}

function readSecret(value: unknown, name: string): SecretDefinition {
  const path = `/secrets/${name}`;
  if (typeof value === 'string') {
    if (value.length <= secretCharactersMax) return value;
    throw definitionFault(path, `a secret has ${secretCharactersMax} characters at most`);
  }
  const { file, generate } = membersOf(value, path, ['file', 'generate']);
  if ((file === undefined) === (generate === undefined)) {
    throw definitionFault(path, 'give a text, {"file": PATH} or {"generate": CHARACTERS}');
  }
  if (file !== undefined) return { file: textOf(file, `${path}/file`) };
  return { generate: wholeOf(generate, `${path}/generate`, 16, secretCharactersMax) };
}

function readNetworks(value: unknown = {}): Contract['networks'] {
  const all = membersOf(value, '/networks', Object.keys(Object(value)));
  return Object.entries(all).map(([name, range]) => {
    if (typeof range === 'string' && networkRange(range) !== undefined) return { name, range };
    throw definitionFault(`/networks/${name}`, 'give a range such as 10.10.0.0/16');
  });
}

/** An action of which nothing is said needs what `provision` needs. */
function readPolicy(value: unknown): ReadDefinition['policy'] {
  if (value === undefined) return undefined;
  const given = membersOf(value, '/policy', actions);
  const provision = readLines(given['provision'], '/policy/provision');
  const linesOf = (action: DecidedAction): readonly PolicyLine[] =>
    given[action] === undefined ? provision : readLines(given[action], `/policy/${action}`);
  return { provision, upgrade: linesOf('upgrade'), remove: linesOf('remove') };
}

function readLines(value: unknown, path: string): readonly PolicyLine[] {
  const lines = listOf(value, path).map((one, at) => {
    const place = `${path}/${at}`;
    const line = membersOf(one, place, ['role', 'signers', 'min']);
    const signers = textsOf(line['signers'], `${place}/signers`);
    const min = wholeOf(line['min'], `${place}/min`, 1, signers.length);
    return { role: textOf(line['role'], `${place}/role`), signers, min };
  });
  if (lines.length > 0) return lines;
  throw definitionFault(path, 'somebody has to agree: give at least one line');
}

function readBudget(value: unknown): Contract['budget'] | undefined {
  if (value === undefined) return undefined;
  const given = membersOf(value, '/budget', ['currency', 'perMonth', 'total']);
  const currency = textOf(given['currency'], '/budget/currency');
  return { currency, perMonth: amountOf(given, 'perMonth'), total: amountOf(given, 'total') };
}

function amountOf(budget: Members, name: 'perMonth' | 'total'): Contract['budget']['total'] {
  const text = String(budget[name]);
  if (/^(?:0|[1-9][0-9]{0,37})$/.test(text)) return text as Contract['budget']['total'];
  throw definitionFault(`/budget/${name}`, 'give a whole number in the smallest unit');
}

function termOf(days: unknown = 365): number {
  if (typeof days === 'number' && days > 0 && days <= daysMax) return Math.ceil(days * dayMs);
  throw definitionFault('/days', `give a number of days, ${daysMax} at most`);
}

function readTime(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const timeMs = Date.parse(textOf(value, '/from'));
  if (Number.isSafeInteger(timeMs) && timeMs >= 0) return timeMs;
  throw definitionFault('/from', 'give a day or time such as 2026-11-01 or 2026-11-01T08:00:00Z');
}

function textsOf(value: unknown, path: string): readonly string[] {
  return listOf(value, path).map((one, at) => textOf(one, `${path}/${at}`));
}
