import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { onShutdownSignals } from '@commongrid/base';
import { ZdbServer } from '@commongrid/zdb';

/** `grid zdb serve`, as far as a node needs it. */
const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    data: text,
    listen: text,
    'admin-password-file': text,
    'tls-cert': text,
    'tls-key': text,
  },
});
const [, host = '', port] = /^(.*):(\d+)$/.exec(values.listen ?? '') ?? [];
const server = await ZdbServer.open({
  dataDir: values.data ?? '',
  listen: [{ host, port: Number(port) }],
  adminPassword: await readFile(values['admin-password-file'] ?? '', 'utf8'),
  tls: { certFile: values['tls-cert'] ?? '', keyFile: values['tls-key'] ?? '' },
});
onShutdownSignals(() => void server.close());
