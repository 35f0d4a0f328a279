import { once } from 'node:events';
import { userInfo } from 'node:os';

import { createLogger, GridError, MetricsServer, shutdownSignal } from '@commongrid/base';

import { readEnvironment } from '../environment.ts';
import type { GridErrorCode } from '../errors.ts';
import { GridHome } from '../home.ts';
import { doorMetrics } from './door-metrics.ts';
import { FrontDoor } from './front-door.ts';

/** `front-door-process.ts HOME PORT`: until SIGTERM, with metrics at this port of loopback. */
const signal = shutdownSignal();
const [path = '', port = ''] = process.argv.slice(2);
if (path === '' || !/^\d+$/.test(port)) {
  throw new GridError<GridErrorCode>('GRID_USAGE', 'front-door-process.ts HOME PORT');
}
const { logLevel } = readEnvironment(process.env, userInfo().uid);
const logger = createLogger('front-door', { level: logLevel });
await using front = await FrontDoor.open({ home: new GridHome(path), logger });
await using _metrics = await MetricsServer.open({
  ...{ registry: doorMetrics(front), port: Number(port), logger },
});
if (!signal.aborted) await once(signal, 'abort');
