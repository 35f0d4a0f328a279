import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GridError } from './errors.ts';
import { createLogger, logLevelFrom, logLevels, silentLogger } from './logger.ts';

function capture(): { lines: Record<string, unknown>[]; write(line: string): void } {
  const lines: Record<string, unknown>[] = [];
  return { lines, write: (line) => void lines.push(JSON.parse(line)) };
}

test('logger writes one JSON object a line with level, time, name and fields', () => {
  const destination = capture();
  const logger = createLogger('zdb', { destination });
  logger.child({ namespace: 'a' }).info({ sizeBytes: 7 }, 'opened');
  logger.debug('not at this level');
  const [line, ...rest] = destination.lines;
  assert.deepEqual(rest, []);
  const { time, pid, ...fields } = line ?? {};
  assert.deepEqual(fields, {
    level: 'info',
    name: 'zdb',
    namespace: 'a',
    sizeBytes: 7,
    msg: 'opened',
  });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(pid, process.pid);
});

test('logger keeps code, hint, details, stack and cause of an error', () => {
  const destination = capture();
  const err = new GridError('A', 'b', { hint: 'h', details: { x: 1 }, cause: new Error('root') });
  createLogger('x', { destination }).error({ err }, 'failed');
  const logged = destination.lines[0]?.['err'];
  assert.partialDeepStrictEqual(logged, {
    code: 'A',
    message: 'b',
    hint: 'h',
    details: { x: 1 },
    cause: { message: 'root' },
  });
  assert.ok(logged instanceof Object && 'stack' in logged);
});

test('logger writes what its level lets through', () => {
  const destination = capture();
  const logger = createLogger('x', { level: 'warn', destination });
  logger.info('no');
  logger.warn('yes');
  createLogger('x', { level: 'silent', destination }).error('no');
  assert.deepEqual(
    destination.lines.map((line) => line['msg']),
    ['yes'],
  );
});

test('silentLogger has silent children', () => {
  silentLogger.error({ a: 1 }, 'nothing');
  assert.equal(silentLogger.child({}), silentLogger);
});

test('logLevelFrom reads GRID_LOG and refuses what is no level', () => {
  assert.equal(logLevelFrom({}), 'info');
  assert.equal(logLevelFrom({ GRID_LOG: '' }), 'info');
  for (const level of logLevels) assert.equal(logLevelFrom({ GRID_LOG: level }), level);
  assert.throws(() => logLevelFrom({ GRID_LOG: 'loud' }), { code: 'BASE_LOG_LEVEL_INVALID' });
});
