import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import { readDefinition } from '@commongrid/contract';

import { answersSchema } from './answers-schema.ts';
import type { Answers } from './question.ts';
import { openQuestions, parseAnswer, readAnswers, withDefaults } from './read-answers.ts';
import type { MadeSolution } from './solution.ts';
import { findSolution, solutions } from './solutions.ts';

const draw = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count));

/** What a solution is with these answers, and defaults for all others. */
function made(name: string, given: Answers = {}): MadeSolution {
  const solution = findSolution(name);
  return solution.make(withDefaults(solution, readAnswers(solution, given), draw), draw);
}

for (const { name } of solutions) {
  test(`the solution ${name} is a contract by its defaults, and tells how it is used`, () => {
    const solution = made(name);
    const { definition, credentials } = solution;
    const { roles } = readDefinition(definition);
    const published = roles.flatMap(({ role }) => role.workload.container?.ports ?? []);
    assert.equal(published.length, 1);
    const lines = solution.use({
      addresses: (role) => {
        assert.ok(roles.some((one) => one.role.name === role));
        return ['[2001:db8::1]:4711', '192.0.2.1:4711'];
      },
      file: (credential) => {
        assert.ok(credential in credentials, credential);
        return `/kept/${credential}`;
      },
    });
    assert.match(lines.join('\n'), /192\.0\.2\.1[: ].*4711/);
    for (const secret of Object.values(credentials)) assert.ok(!lines.join('\n').includes(secret));
  });

  test(`the schema of ${name} has a property for each question, with its default`, () => {
    const solution = findSolution(name);
    const { properties, required } = answersSchema(solution) as {
      readonly properties: Record<string, { readonly default?: unknown }>;
      readonly required: readonly string[];
    };
    const { $schema: _schema, ...own } = properties;
    assert.deepEqual(
      Object.keys(own),
      solution.questions.map((one) => one.name),
    );
    assert.deepEqual(required, []);
    const defaults = Object.entries(own).flatMap(([key, { default: value }]) => {
      return value === undefined ? [] : [[key, value]];
    });
    readAnswers(solution, Object.fromEntries(defaults));
  });
}

const wrong: readonly (readonly [string, string, unknown, RegExp])[] = [
  ['redis', 'name', 'Redis!', /name: give small letters/],
  ['redis', 'size', '1MiB', /size: give a size such as 10GiB, 64 MiB to 1 TiB/],
  ['redis', 'size', 'much', /size: give a size/],
  ['redis', 'memory', 1.5, /memory: give a size/],
  ['redis', 'cpu', 0, /cpu: give a number from 0\.05 to 64/],
  ['redis', 'publish', 65_536, /publish: give a whole number from 1 to 65535/],
  ['redis', 'full', 'burn', /full: give one of "refuse", "forget"/],
  ['redis', 'publish', 1.5, /publish: give a whole number from 1 to 65535/],
  ['redis', 'publish', '6379', /publish: give a whole number/],
  ['redis', 'password', 'short', /password: give 8 to 128 letters/],
  ['redis', 'password', 'a "quoted" one', /password: give 8 to 128 letters/],
  ['archive', 'shards', '4', /shards: give two numbers such as 4\+2/],
  ['archive', 'shards', '0+2', /shards: give two numbers/],
  ['archive', 'countries', ['Belgium'], /countries: give codes of two capital letters/],
  ['archive', 'countries', 'BE', /countries: give codes/],
  ['web-app', 'path', 'health', /path: give a path such as \/health/],
  ['web-app', 'page', 'x'.repeat(5_000), /page: give 4096 characters at most/],
];
for (const [name, question, value, why] of wrong) {
  test(`${name} refuses the ${question} ${JSON.stringify(value).slice(0, 20)}`, () => {
    assert.throws(() => readAnswers(findSolution(name), { [question]: value }), why);
  });
}

test('answers that nobody asked for, or that are no object, are refused by name', () => {
  const redis = findSolution('redis');
  assert.throws(() => readAnswers(redis, { colour: 'red' }), hasCode('SOLUTION_ANSWER_UNKNOWN'));
  assert.throws(() => readAnswers(redis, []), hasCode('SOLUTION_ANSWER_INVALID'));
  assert.throws(() => findSolution('rediss'), hasCode('SOLUTION_UNKNOWN'));
  // A page is that of the base image.
  const webApp = findSolution('web-app');
  const misfit = { image: 'ada/shop', page: '<p>' };
  assert.throws(() => readAnswers(webApp, misfit), /page: it is asked only where image is base/);
  readAnswers(webApp, { page: '<p>', $schema: 'web-app.schema.json' });
});

test('what is asked follows from the answers so far', () => {
  const webApp = findSolution('web-app');
  const names = (answers: Answers): readonly string[] =>
    openQuestions(webApp, answers).map((one) => one.name);
  assert.ok(names({ image: 'base' }).includes('page'));
  assert.ok(!names({ image: 'ada/shop' }).includes('page'));
  assert.ok(!names({ image: 'base' }).includes('image'));
  const { definition } = made('web-app', { image: 'ada/shop', replicas: 3 });
  const [role] = definition.roles;
  assert.equal(role?.container?.entrypoint, undefined);
  assert.deepEqual(role?.spread, { distinctNodes: true });
});

test('typed answers are read as their kinds', () => {
  const typed = (name: string, question: string, text: string): unknown => {
    const found = findSolution(name).questions.find((one) => one.name === question);
    assert.ok(found !== undefined);
    return parseAnswer(found, text);
  };
  assert.equal(typed('redis', 'size', ' 2GiB '), 2 * 2 ** 30);
  assert.equal(typed('redis', 'cpu', '0.5'), 0.5);
  assert.deepEqual(typed('archive', 'countries', 'BE, CH,BE'), ['BE', 'CH']);
  assert.deepEqual(typed('archive', 'countries', ''), []);
  assert.throws(() => typed('redis', 'publish', ''), hasCode('SOLUTION_ANSWER_INVALID'));
});

test('an archive has as many shards as its answers say, as far apart, in these countries', () => {
  const answers = { shards: '16+4', apart: 'farms', countries: ['BE', 'CH'], size: 2 ** 40 };
  const { roles, heal } = made('archive', answers).definition;
  const [shards, log, keys, heads] = roles;
  assert.deepEqual(heal?.mayMoveTo, { countries: ['BE', 'CH'] });
  assert.equal(shards?.shards, '16+4');
  assert.deepEqual(shards.spread, { distinctNodes: true, perFarm: 4 });
  assert.ok(Number(shards.zdb?.size) * 16 >= 2 ** 40);
  assert.deepEqual([log?.replicas, keys?.replicas, heads?.replicas], [9, 9, 2]);
  const together = made('archive', { apart: 'together' }).definition.roles;
  assert.deepEqual(
    together.map(({ spread }) => spread?.distinctNodes),
    [false, false, false, false],
  );
});

test('secrets that nobody gave differ each time, and are in no command', () => {
  const [one, other] = [made('redis'), made('redis')];
  const password = one.credentials['password'] ?? '';
  assert.match(password, /^[A-Za-z0-9][A-Za-z0-9_-]{31}$/);
  assert.notEqual(password, other.credentials['password']);
  assert.ok(!JSON.stringify(one.definition.roles).includes(password));
  const given = made('redis', { password: 'open-sesame' });
  assert.deepEqual(given.definition.secrets, { password: 'open-sesame' });
});
