import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import { Query } from '../protocol/query.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { actions } from './actions.ts';
import type { Action } from './actions.ts';
import { conditionKey } from './condition-keys.ts';
import type { ConditionFacts } from './condition-keys.ts';
import { fitsPattern } from './pattern.ts';
import { Policy } from './policy.ts';
import type { PolicyVerdict } from './policy.ts';

const alice = { name: 'alice', id: 'a'.repeat(64) };
const noon = Date.UTC(2026, 0, 31, 12);

function factsOf(
  facts: Partial<ConditionFacts> & { readonly search?: string } = {},
): ConditionFacts {
  const { search = '', ...rest } = facts;
  return {
    query: Query.parse(search),
    headers: {},
    remoteAddress: '192.0.2.7',
    isSecure: false,
    nowMs: noon,
    user: alice,
    ...rest,
  };
}

function policyOf(...statements: readonly object[]): Policy {
  const document = { Version: '2012-10-17', Statement: statements };
  return Policy.parse(Buffer.from(JSON.stringify(document)), 'data');
}

const allow = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::data/*',
};

function judge(
  policy: Policy,
  facts: ConditionFacts = factsOf(),
  action: Action = 's3:GetObject',
  resource = 'data/key',
): PolicyVerdict {
  return policy.judge({ action, resource, facts });
}

function refusalOf(document: unknown): string {
  const text = typeof document === 'string' ? document : JSON.stringify(document);
  let message = '';
  assert.throws(
    () => Policy.parse(Buffer.from(text), 'data'),
    (error) => {
      assert.ok(error instanceof S3Error);
      assert.equal(error.s3Code, 'MalformedPolicy');
      ({ message } = error);
      return true;
    },
  );
  return message;
}

describe('a policy', () => {
  test('denies ahead of what it allows, in whatever order', () => {
    const deny = { ...allow, Effect: 'Deny', Resource: 'arn:aws:s3:::data/secret/*' };
    for (const statements of [
      [allow, deny],
      [deny, allow],
    ]) {
      const policy = policyOf(...statements);
      assert.equal(judge(policy), 'allow');
      assert.equal(judge(policy, factsOf(), 's3:GetObject', 'data/secret/x'), 'deny');
      assert.equal(judge(policy, factsOf(), 's3:PutObject'), undefined);
    }
  });

  test('names users, everybody, and nobody else', () => {
    const forAlice = policyOf({ ...allow, Principal: { AWS: 'arn:aws:iam:::user/alice' } });
    assert.equal(judge(forAlice), 'allow');
    assert.equal(judge(forAlice, factsOf({ user: { ...alice, name: 'bob' } })), undefined);
    assert.equal(judge(forAlice, factsOf({ user: undefined })), undefined);
    const forAll = policyOf({ ...allow, Principal: { AWS: ['*'] } });
    assert.equal(judge(forAll, factsOf({ user: undefined })), 'allow');
    assert.ok(forAll.isPublic);
    assert.ok(!forAlice.isPublic);
    assert.deepEqual(forAlice.userNames, ['alice']);
  });

  test('leaves out what NotAction and NotResource name', () => {
    const policy = policyOf({
      ...{ Effect: 'Deny', Principal: '*', NotAction: 's3:Get*' },
      NotResource: 'arn:aws:s3:::data/open/*',
    });
    assert.equal(judge(policy, factsOf(), 's3:PutObject'), 'deny');
    assert.equal(judge(policy, factsOf(), 's3:PutObject', 'data/open/x'), undefined);
    assert.equal(judge(policy, factsOf(), 's3:GetObject'), undefined);
  });

  const cases: readonly (readonly [condition: object, facts: ConditionFacts, holds: boolean])[] = [
    [{ Bool: { 'aws:SecureTransport': 'false' } }, factsOf(), true],
    [{ Bool: { 'aws:SecureTransport': true } }, factsOf(), false],
    [{ Bool: { 'aws:SecureTransport': 'TRUE' } }, factsOf({ isSecure: true }), true],
    [{ IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } }, factsOf(), true],
    [{ IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '192.0.2.8'] } }, factsOf(), false],
    [{ NotIpAddress: { 'aws:SourceIp': '192.0.2.0/24' } }, factsOf(), false],
    [{ NotIpAddress: { 'aws:SourceIp': '192.0.2.0/24' } }, factsOf({ remoteAddress: '' }), true],
    [
      { IpAddress: { 'aws:sourceip': '2001:db8::/32' } },
      factsOf({ remoteAddress: '2001:db8::1' }),
      true,
    ],
    [
      { IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } },
      factsOf({ remoteAddress: '2001:db8::1' }),
      false,
    ],
    [{ StringEquals: { 's3:prefix': ['', 'home/'] } }, factsOf({ search: 'prefix=home%2F' }), true],
    [{ StringEquals: { 's3:prefix': 'home/' } }, factsOf(), false],
    [{ StringNotEquals: { 's3:prefix': 'home/' } }, factsOf(), true],
    [{ StringEqualsIfExists: { 's3:prefix': 'home/' } }, factsOf(), true],
    [{ StringEqualsIfExists: { 's3:prefix': 'home/' } }, factsOf({ search: 'prefix=x' }), false],
    [{ StringLike: { 's3:prefix': 'h?me/*' } }, factsOf({ search: 'prefix=home/a' }), true],
    [{ StringNotLike: { 's3:prefix': 'home/*' } }, factsOf({ search: 'prefix=home/a' }), false],
    [{ StringEqualsIgnoreCase: { 'aws:username': 'ALICE' } }, factsOf(), true],
    [{ Null: { 's3:prefix': 'true' } }, factsOf(), true],
    [{ Null: { 's3:prefix': false } }, factsOf(), false],
    [{ NumericLessThanEquals: { 's3:max-keys': 10 } }, factsOf({ search: 'max-keys=10' }), true],
    [{ NumericLessThanEquals: { 's3:max-keys': '10' } }, factsOf({ search: 'max-keys=11' }), false],
    [{ NumericLessThanEquals: { 's3:max-keys': '10' } }, factsOf({ search: 'max-keys=x' }), false],
    [{ DateLessThan: { 'aws:CurrentTime': '2026-02-01T00:00:00Z' } }, factsOf(), true],
    [{ DateGreaterThan: { 'aws:CurrentTime': '2026-02-01T00:00:00Z' } }, factsOf(), false],
    [{ DateGreaterThan: { 'aws:EpochTime': String(noon / 1000 - 1) } }, factsOf(), true],
    [
      { StringEquals: { 's3:x-amz-acl': 'private' } },
      factsOf({ headers: { 'x-amz-acl': 'private' } }),
      true,
    ],
    [{ StringNotEquals: { 's3:authType': 'REST-HEADER' } }, factsOf({ user: undefined }), true],
    [
      { NumericGreaterThan: { 's3:signatureAge': 60_000 } },
      factsOf({ headers: { 'x-amz-date': '20260131T115800Z' } }),
      true,
    ],
    [
      { StringEquals: { 'aws:username': 'alice' }, Bool: { 'aws:SecureTransport': 'true' } },
      factsOf(),
      false,
    ],
  ];
  for (const [condition, facts, holds] of cases) {
    test(`holds ${JSON.stringify(condition)} ${holds ? 'true' : 'false'}`, () => {
      assert.equal(
        judge(policyOf({ ...allow, Condition: condition }), facts),
        holds ? 'allow' : undefined,
      );
      const deny = policyOf({ ...allow, Effect: 'Deny', Condition: condition });
      assert.equal(judge(deny, facts), holds ? 'deny' : undefined);
    });
  }

  const refused: readonly (readonly [document: unknown, why: RegExp])[] = [
    ['{', /valid JSON/],
    ['[]', /must be an object/],
    [{ Statement: [] }, /Statement is empty/],
    [{ Version: '2013', Statement: [allow] }, /version/],
    [{ Statement: [allow], Statements: 1 }, /unknown member: Statements/],
    [{ Statement: { ...allow, NotPrincipal: '*' } }, /NotPrincipal is not implemented/],
    [{ Statement: { ...allow, Effect: 'allow' } }, /effect/],
    [{ Statement: { ...allow, Principal: undefined } }, /Principal/],
    [{ Statement: { ...allow, Principal: { Service: 'x' } } }, /unknown member: Service/],
    [
      { Statement: { ...allow, Principal: { AWS: 'arn:aws:iam::12:user/alice' } } },
      /Invalid principal/,
    ],
    [{ Statement: { ...allow, Action: 's3:GetObjekt' } }, /invalid action/],
    [{ Statement: { ...allow, Action: [] } }, /Action is empty/],
    [{ Statement: { ...allow, NotAction: 's3:*' } }, /Action or NotAction/],
    [{ Statement: { ...allow, Resource: 'arn:aws:s3:::other/*' } }, /invalid resource/],
    [{ Statement: { ...allow, Resource: '*' } }, /invalid resource/],
    // oxlint-disable-next-line no-template-curly-in-string
    [{ Statement: { ...allow, Resource: 'arn:aws:s3:::data/${aws:username}/*' } }, /resource/],
    [{ Statement: { ...allow, Action: 's3:ListBucket' } }, /does not apply/],
    [{ Statement: { ...allow, Resource: 'arn:aws:s3:::data' } }, /does not apply/],
    [
      { Statement: { ...allow, Condition: { StringIs: { 's3:prefix': 'x' } } } },
      /operator: StringIs/,
    ],
    [
      { Statement: { ...allow, Condition: { 'ForAllValues:StringEquals': { 's3:prefix': 'x' } } } },
      /operator: ForAllValues/,
    ],
    [
      { Statement: { ...allow, Condition: { StringEquals: { 'aws:nothing': 'x' } } } },
      /key: aws:nothing/,
    ],
    [
      { Statement: { ...allow, Condition: { StringEquals: { 's3:ExistingObjectTag/a': 'x' } } } },
      /key/,
    ],
    [
      { Statement: { ...allow, Condition: { StringEquals: { 'aws:SourceIp': 'x' } } } },
      /cannot be used/,
    ],
    [
      { Statement: { ...allow, Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/33' } } } },
      /no value/,
    ],
    [
      { Statement: { ...allow, Condition: { Bool: { 'aws:SecureTransport': 'yes' } } } },
      /no value/,
    ],
    [{ Statement: { ...allow, Condition: { StringEquals: { 's3:prefix': [] } } } }, /has no value/],
    [{ Statement: { ...allow, Condition: { StringEquals: {} } } }, /is empty/],
    ['{"Statement":[],"Statement":[]}', /Statement is empty|stands twice/],
    [
      `{"Statement":${JSON.stringify(allow).replace('{', '{"Effect":"Deny",')}}`,
      /Effect stands twice/,
    ],
    [
      `{"Statement":${JSON.stringify(allow).replace('{', '{"\\u0045ffect":"Deny",')}}`,
      /Effect stands/,
    ],
    [{ Statement: [allow], Id: 'x'.repeat(21_000) }, /20 KB/],
  ];
  for (const [document, why] of refused) {
    test(`is refused when it is ${JSON.stringify(document).slice(0, 100)}`, () => {
      assert.match(refusalOf(document), why);
    });
  }

  test('reads any JSON, or refuses it by name', () => {
    const word = fc.oneof(
      fc.constantFrom(
        '*',
        's3:*',
        's3:GetObject',
        'arn:aws:s3:::data/*',
        'arn:aws:s3:::*',
        'Allow',
      ),
      fc.constantFrom('__proto__', 'constructor', 'toString', 'Null', 'StringLike', 's3:prefix'),
      fc.string(),
    );
    const value = fc.oneof(word, fc.array(word, { maxLength: 3 }), fc.jsonValue({ maxDepth: 2 }));
    const condition = fc.dictionary(word, fc.dictionary(word, value, { maxKeys: 2 }), {
      maxKeys: 2,
    });
    const statement = fc.record(
      {
        Effect: fc.constantFrom('Allow', 'Deny'),
        Principal: fc.oneof(fc.constant('*'), value),
        Action: fc.oneof(fc.constant('s3:*'), value),
        Resource: fc.oneof(fc.constant('arn:aws:s3:::data/*'), value),
        Condition: condition,
      },
      { requiredKeys: [] },
    );
    const text = fc.oneof(
      fc.record({ Statement: fc.array(statement, { maxLength: 3 }) }).map((v) => JSON.stringify(v)),
      fc.json(),
      fc.string(),
    );
    fc.assert(
      fc.property(text, fc.constantFrom(...actions), fc.string(), (document, action, key) => {
        let policy: Policy;
        try {
          policy = Policy.parse(Buffer.from(document), 'data');
        } catch (error) {
          assert.ok(error instanceof S3Error, String(error));
          return;
        }
        judge(policy, factsOf(), action, `data/${key}`);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a pattern', () => {
  test('fits what its expression fits', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 12 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(letters, pattern, (text, glob) => {
        const source = glob.replaceAll('*', '.*').replaceAll('?', '.');
        assert.equal(fitsPattern(text, glob), new RegExp(`^(?:${source})$`).test(text));
      }),
      { numRuns: 2000 },
    );
  });

  test('takes no more time than its length says', () => {
    assert.equal(fitsPattern('a'.repeat(1024), `${'*a'.repeat(500)}b`), false);
  });
});

test('a key of conditions is found in any case, and in the table alone', () => {
  assert.ok(conditionKey('AWS:SourceIP'));
  assert.equal(conditionKey('constructor'), undefined);
});
