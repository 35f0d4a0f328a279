import { contract } from '@commongrid/contract';

import { nameQuestion, portQuestion, solution } from './solution.ts';

/** The image of the hub of `grid up`, which has a web server and no pages. */
const baseImage = 'base';
const pages = '/www';

export const webApp = solution({
  name: 'web-app',
  summary: 'a web page, or an image that serves the web, on as many nodes as you want',
  questions: [
    nameQuestion('web'),
    {
      name: 'image',
      text: 'Image at the hub; with base a page is served',
      kind: 'text',
      default: baseImage,
      charactersMax: 256,
      pattern: '^[A-Za-z0-9][A-Za-z0-9._:/-]*$',
      form: 'a name such as base or ada/shop:2',
    },
    {
      name: 'page',
      text: 'The page, as HTML',
      kind: 'text',
      charactersMax: 4_096,
      default: '<h1>It works</h1>',
      when: { question: 'image', is: baseImage },
    },
    {
      name: 'replicas',
      text: 'On how many nodes it runs',
      kind: 'whole',
      default: 1,
      min: 1,
      max: 100,
    },
    { name: 'cpu', text: 'Cores of each', kind: 'number', min: 0.05, max: 64, default: 0.25 },
    {
      name: 'memory',
      text: 'Memory of each',
      kind: 'size',
      default: '64MiB',
      minBytes: 2 ** 24,
      maxBytes: 2 ** 40,
    },
    {
      name: 'port',
      text: 'Port at which it listens',
      kind: 'whole',
      default: 80,
      min: 1,
      max: 65_535,
    },
    portQuestion(8080),
    {
      name: 'path',
      text: 'Path that answers with 200 while all is well',
      kind: 'text',
      default: '/',
      charactersMax: 512,
      pattern: '^/[!-~]*$',
      form: 'a path such as /health',
    },
  ],
  make: ({ name, image, page, replicas, cpu, memory, port, publish, path }) => ({
    definition: contract({
      name,
      roles: [
        {
          ...{ name: 'web', replicas, cpu, memory },
          // Each publishes the same port.
          spread: { distinctNodes: replicas > 1 },
          container: {
            ...{ image, rootBytes: '64MiB' },
            ports: [{ name: 'http', port, protocol: 'tcp', publish }],
            ...(page === undefined
              ? {}
              : {
                  entrypoint: ['/bin/httpd', '-f', '-p', `${port}`, '-h', pages],
                  files: [{ path: `${pages}/index.html`, mode: 0o444, content: page }],
                  // It has no handler of other signals.
                  stop: { signal: 'SIGKILL', graceSeconds: 1 },
                }),
          },
          health: {
            ...{ probe: 'http', port: 'http', path },
            ...{ everySeconds: 2, startSeconds: 60 },
          },
        },
      ],
    }),
    images: {},
    credentials: {},
    use: ({ addresses }) => addresses('web').map((address) => `curl http://${address}/`),
  }),
});
