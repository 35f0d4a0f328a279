import { contract } from '@commongrid/contract';

import type { AnswersOf } from './question.ts';
import { drawnText } from './read-answers.ts';
import { nameQuestion, portQuestion, solution } from './solution.ts';

const mebibyte = 2 ** 20;
/** Deleted bytes take room until they are collected. */
const roomFactor = 1.25;
/** A namespace keeps room free for the log of its Zero-DB, and is of no use below this. */
const namespaceBytesMin = 160 * mebibyte;
/** Part of a shard's namespace that the log of the tables, and the keys, get. */
const logPart = 0.1;
const accessKey = 'archive-admin';
const files = '/run/grid';

const questions = [
  nameQuestion('archive'),
  {
    name: 'size',
    text: 'How much it is to hold',
    kind: 'size',
    default: '10GiB',
    minBytes: 2 ** 26,
    maxBytes: 2 ** 50,
  },
  {
    name: 'shards',
    text: 'Data and parity shards: as many as the second may be lost',
    kind: 'text',
    default: '4+2',
    charactersMax: 5,
    pattern: '^[1-9][0-9]?\\+[1-9][0-9]?$',
    form: 'two numbers such as 4+2 or 16+4',
  },
  {
    name: 'apart',
    text: 'How far apart the shards are',
    kind: 'choice',
    default: 'nodes',
    choices: [
      { value: 'nodes', text: 'each on a node of its own' },
      { value: 'farms', text: 'also no more in a farm than may be lost' },
      { value: 'together', text: 'anywhere, to try it on one machine: nothing may be lost' },
    ],
  },
  {
    name: 'countries',
    text: 'Countries in which it may be, such as BE, CH; none: any',
    kind: 'list',
    default: [],
    itemsMax: 64,
    pattern: '^[A-Z]{2}$',
    form: 'codes of two capital letters, such as BE, CH',
  },
  portQuestion(9010),
] as const;

export const archive = solution({
  name: 'archive',
  summary: 'S3 whose objects are spread over many nodes, with two heads in front',
  questions,
  make: (answers, draw) => {
    const { size, shards, publish } = answers;
    const [data = 0, parity = 0] = shards.split('+').map(Number);
    const shardBytes = Math.ceil(Math.max(namespaceBytesMin, (size * roomFactor) / data));
    const logBytes = Math.ceil(Math.max(namespaceBytesMin, shardBytes * logPart));
    const secretKey = drawnText(40, draw);
    const storeKey = draw(32).toBase64({ alphabet: 'base64url', omitPadding: true });
    return {
      definition: definitionOf(answers, {
        ...{ data, parity, shardBytes, logBytes },
        secrets: {
          namespaces: drawnText(32, draw),
          key: storeKey,
          first: `${accessKey}:${secretKey}`,
        },
      }),
      images: { grid: { of: 'system' } },
      credentials: {
        'keys.env': [
          `export AWS_ACCESS_KEY_ID=${accessKey}`,
          `export AWS_SECRET_ACCESS_KEY=${secretKey}`,
          'export AWS_DEFAULT_REGION=us-east-1',
          '',
        ].join('\n'),
        'store-key': storeKey,
      },
      use: ({ addresses, file }) => [
        `. ${file('keys.env')}`,
        ...addresses('heads').map((address) => `aws --endpoint-url http://${address} s3 ls`),
        ...(addresses('heads').length > 1
          ? ['# one of the heads answers, the other stands by']
          : []),
        `# without ${file('store-key')} nobody reads the store: keep a copy of it elsewhere`,
        `# port ${publish} is open at the nodes of the heads`,
      ],
    };
  },
});

interface Sizes {
  readonly data: number;
  readonly parity: number;
  readonly shardBytes: number;
  readonly logBytes: number;
  readonly secrets: Readonly<Record<'namespaces' | 'key' | 'first', string>>;
}

function definitionOf(
  { name, apart, countries, publish }: AnswersOf<typeof questions>,
  { data, parity, shardBytes, logBytes, secrets }: Sizes,
) {
  const distinctNodes = apart !== 'together';
  const perFarm = apart === 'farms' ? { perFarm: parity } : {};
  const spread = { distinctNodes, ...perFarm };
  const namespace = (size: number) => ({ size, password: 'namespaces' }) as const;
  // Of 2m + 1 a majority is left when m are lost.
  const log = {
    replicas: 2 * parity + 1,
    data: 'dispersed',
    zdb: namespace(logBytes),
    spread,
  } as const;
  const file = <Secret extends string>(path: string, secret: Secret) => {
    return { path: `${files}/${path}`, mode: 0o400, secret };
  };
  return contract({
    ...{ name, secrets },
    // Shards are large: whoever is silent for a moment keeps them.
    heal: {
      suspectAfterMs: 5_000,
      replaceAfterMs: 20_000,
      maxPerHour: 100,
      ...(countries.length === 0 ? {} : { mayMoveTo: { countries: [...countries] } }),
    },
    roles: [
      {
        ...{ name: 'shards', shards: `${data}+${parity}`, data: 'dispersed', spread },
        zdb: namespace(shardBytes),
      },
      { name: 'log', ...log },
      { name: 'keys', ...log },
      {
        // Both publish the same port.
        ...{ name: 'heads', replicas: distinctNodes ? 2 : 1, cpu: 0.5, memory: '512MiB' },
        spread: { distinctNodes, ...(apart === 'farms' ? { perFarm: 1 } : {}) },
        container: {
          ...{
            image: 'grid',
            rootBytes: Math.max(128 * mebibyte, Math.ceil(shardBytes * logPart)),
          },
          args: [
            ...['s3', 'serve', '--contract', '--password-file', `${files}/password`],
            ...['--key', `${files}/key`, '--first-key-file', `${files}/first`],
            ...['--data', '/var/lib/grid/s3', '--listen', `0.0.0.0:${publish}`],
            ...['--policy', `${data}+${parity}`],
          ],
          files: [file('password', 'namespaces'), file('key', 'key'), file('first', 'first')],
          ports: [{ name: 's3', port: publish, protocol: 'tcp', publish }],
        },
      },
    ],
  });
}
