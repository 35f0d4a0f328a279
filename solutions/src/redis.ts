import { contract } from '@commongrid/contract';

import { nameQuestion, portQuestion, solution } from './solution.ts';

const port = 6379;
const data = '/data';
/** Where the node puts the password. */
const passwordFile = '/run/grid/password';
/** Part of the memory that values may take: the rest is for clients, and for copies while the log is rewritten. */
const valuesPart = 0.6;

const server = (maxMemory: number, policy: string): string =>
  [
    // As text from stdin it is in no list of processes.
    `exec redis-server - --bind '*' '-::*' --port ${port} --dir ${data} \\`,
    `  --appendonly yes --appendfsync everysec --save '' \\`,
    `  --maxmemory ${maxMemory} --maxmemory-policy ${policy} <<END`,
    `requirepass "$(cat ${passwordFile})"`,
    'END',
  ].join('\n');

const ping = `REDISCLI_AUTH="$(cat ${passwordFile})" redis-cli -p ${port} ping | grep -q PONG`;

export const redis = solution({
  name: 'redis',
  summary: 'a Redis with a password, whose data is on a volume of one node',
  questions: [
    nameQuestion('redis'),
    {
      name: 'size',
      text: 'Disk for its data, and for the log of changes',
      kind: 'size',
      default: '1GiB',
      minBytes: 2 ** 26,
      maxBytes: 2 ** 40,
    },
    {
      name: 'memory',
      text: 'Memory; six tenths of it are for values',
      kind: 'size',
      default: '128MiB',
      minBytes: 2 ** 26,
      maxBytes: 2 ** 40,
    },
    { name: 'cpu', text: 'Cores', kind: 'number', min: 0.05, max: 64, default: 0.5 },
    {
      name: 'full',
      text: 'What happens to new values when the memory is full',
      kind: 'choice',
      default: 'refuse',
      choices: [
        { value: 'refuse', text: 'they are refused' },
        { value: 'forget', text: 'what was not used for longest goes: for a cache' },
      ],
    },
    portQuestion(port),
    {
      name: 'password',
      text: 'Password; one is made if you give none',
      kind: 'secret',
      pattern: '^[A-Za-z0-9_.~@%+=:,/-]{8,128}$',
      charactersMax: 128,
      generate: 32,
      form: '8 to 128 letters, digits and _.~@%+=:,/-',
    },
    {
      name: 'image',
      text: 'Image at the hub; made of Debian packages if it is not there',
      kind: 'text',
      default: 'redis',
      charactersMax: 256,
      pattern: '^[A-Za-z0-9][A-Za-z0-9._:/-]*$',
      form: 'a name such as redis or ada/redis:7',
    },
  ],
  make: ({ name, size, memory, cpu, full, publish, password, image }) => ({
    definition: contract({
      name,
      secrets: { password },
      roles: [
        { name: 'data', volume: { size } },
        {
          ...{ name: 'redis', after: ['data'], cpu, memory },
          container: {
            ...{ image, rootBytes: '32MiB' },
            entrypoint: [
              '/bin/sh',
              '-c',
              server(
                Math.floor(memory * valuesPart),
                full === 'forget' ? 'allkeys-lru' : 'noeviction',
              ),
            ],
            volumes: [{ role: 'data', path: data, isReadOnly: false }],
            files: [{ path: passwordFile, mode: 0o400, secret: 'password' }],
            ports: [{ name: 'redis', port, protocol: 'tcp', publish }],
          },
          health: {
            ...{ probe: 'exec', command: ['/bin/sh', '-c', ping] },
            ...{ everySeconds: 10, timeoutSeconds: 10, startSeconds: 120 },
          },
        },
      ],
    }),
    images: {
      redis: {
        ...{ of: 'programs', packages: ['redis-server', 'redis-tools'] },
        programs: ['/usr/bin/redis-server', '/usr/bin/redis-cli'],
      },
    },
    credentials: { password },
    use: ({ addresses, file }) =>
      addresses('redis').map((address) => {
        const [host, at] = splitAddress(address);
        return `REDISCLI_AUTH="$(cat ${file('password')})" redis-cli -h ${host} -p ${at}`;
      }),
  }),
});

/** Host and port; the host of IPv6 without its brackets. */
function splitAddress(address: string): readonly [string, string] {
  const at = address.lastIndexOf(':');
  return [address.slice(0, at).replace(/^\[(.*)\]$/, '$1'), address.slice(at + 1)];
}
