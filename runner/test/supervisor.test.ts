import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import {
  identityOf,
  isAlive,
  isGridError,
  silentLogger,
  terminate,
  waitFor,
} from '@commongrid/base';
import type { ProcessIdentity } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { answersPing } from '../src/answers.ts';
import { GridHome } from '../src/home.ts';
import type { ServiceDefinition } from '../src/service-definition.ts';
import { askSupervisor } from '../src/supervisor/control.ts';
import { loadState, StateKeeper } from '../src/supervisor/grid-state.ts';
import type { GridState, ServiceState } from '../src/supervisor/grid-state.ts';
import { Supervisor } from '../src/supervisor/supervisor.ts';

const never = new AbortController().signal;
const deadline = { timeoutMs: 60_000, what: 'the service' };

interface Fixture extends AsyncDisposable {
  readonly home: GridHome;
}

async function openFixture(): Promise<Fixture> {
  const folder = await tempFolder('home');
  const home = new GridHome(folder.path);
  await home.create();
  return { home, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

function pingService(changes: Partial<ServiceDefinition> = {}, mood = ''): ServiceDefinition {
  const script = join(import.meta.dirname, 'fixtures', 'ping-service.ts');
  const port = changes.ports?.[0] ?? 'zdb';
  return {
    name: 'ping',
    dependsOn: [],
    ports: [port],
    dataDir: (home) => home.zdb,
    prepare: async () => {},
    command: ({ ports }) => [script, String(ports.get(port)), mood],
    isReady: ({ ports }, signal) => answersPing(ports.get(port) ?? 0, signal),
    probe: { everyMs: 1_000, timeoutMs: 5_000, missesMax: 2 },
    startTimeoutMs: 20_000,
    stopTimeoutMs: 5_000,
    ...changes,
  };
}

function openSupervisor(home: GridHome, ...services: ServiceDefinition[]): Promise<Supervisor> {
  return Supervisor.open({ home, services, portBase: 0, logger: silentLogger }, never);
}

function stateOf(supervisor: Supervisor, name = 'ping'): ServiceState {
  const state = supervisor.state.services[name];
  assert.ok(state !== undefined, `the supervisor knows no service ${name}`);
  return state;
}

async function answers(state: ServiceState): Promise<boolean> {
  const port = Number(state.address.split(':').at(-1));
  return answersPing(port, AbortSignal.timeout(60_000)).catch(() => false);
}

async function startSleeper(): Promise<{ identity: ProcessIdentity; end(): void }> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  const identity = await identityOf(child.pid ?? -1);
  assert.ok(identity !== undefined, 'the process lives');
  return { identity, end: () => void child.kill('SIGKILL') };
}

/** What a supervisor that died would have left in run/state.json. */
async function saveLeftover(home: GridHome, identity: ProcessIdentity): Promise<void> {
  const state: GridState = {
    schema: 'grid.state.1',
    home: home.path,
    portBase: 0,
    supervisor: { ...identity, startTicks: 0 },
    services: {
      ping: {
        phase: 'running',
        process: identity,
        address: '127.0.0.1:1',
        addresses: { zdb: '127.0.0.1:1' },
        dataDir: home.zdb,
        log: home.logOf('ping'),
        restartCount: 0,
      },
    },
  };
  await using keeper = new StateKeeper(home, () => state, silentLogger);
  keeper.save();
}

test('a service that hangs is restarted', async () => {
  await using fixture = await openFixture();
  // One that answers is not to be taken for hung, however busy the machine is.
  const probe = { everyMs: 50, timeoutMs: 2_000, missesMax: 1 };
  const service = pingService({ probe, stopTimeoutMs: 100 });
  await using supervisor = await openSupervisor(fixture.home, service);
  const pid = stateOf(supervisor).process?.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  const isAnother = async (): Promise<boolean> => {
    const state = stateOf(supervisor);
    const hasStarted = state.phase === 'running' && state.process?.pid !== pid;
    return hasStarted && (await answers(state));
  };
  await waitFor(isAnother, deadline);
  assert.ok(stateOf(supervisor).restartCount >= 1);
});

test('a supervisor returns when its services answer, and ends them when it closes', async () => {
  await using fixture = await openFixture();
  await using supervisor = await openSupervisor(fixture.home, pingService());
  const state = stateOf(supervisor);
  assert.equal(state.phase, 'running');
  assert.ok(await answers(state));
  const isSaved = async (): Promise<boolean> =>
    isDeepStrictEqual((await loadState(fixture.home))?.services['ping'], state);
  await waitFor(isSaved, deadline);
  await supervisor.close();
  assert.ok(state.process !== null);
  assert.equal(await isAlive(state.process), false);
});

test('a supervisor starts a service again that was killed', async () => {
  await using fixture = await openFixture();
  await using supervisor = await openSupervisor(fixture.home, pingService());
  const before = stateOf(supervisor).process;
  assert.ok(before !== null);
  process.kill(before.pid, 'SIGKILL');
  const isBack = (): boolean => {
    const { phase, process: now } = stateOf(supervisor);
    return phase === 'running' && now !== null && now.pid !== before.pid;
  };
  await waitFor(isBack, deadline);
  assert.equal(stateOf(supervisor).restartCount, 1);
  assert.ok(await answers(stateOf(supervisor)));
});

test('a supervisor fails with the last words of a service that cannot start', async () => {
  await using fixture = await openFixture();
  const opening = openSupervisor(fixture.home, pingService({}, 'fail'));
  await assert.rejects(opening, (error) => {
    assert.ok(isGridError(error, 'GRID_SERVICE_FAILED'));
    assert.match(error.message, /no disk today/);
    return true;
  });
  // The lock was given back.
  await using _next = await openSupervisor(fixture.home, pingService());
});

test('a supervisor stops the services that did start when another one fails', async () => {
  await using fixture = await openFixture();
  const bad = pingService({ name: 'bad', dependsOn: ['ping'], ports: ['s3'] }, 'fail');
  await assert.rejects(openSupervisor(fixture.home, pingService(), bad), {
    code: 'GRID_SERVICE_FAILED',
  });
  const state = await loadState(fixture.home);
  assert.equal(state?.services['ping']?.process, null);
});

test('a supervisor starts nothing when a port is taken', async () => {
  await using fixture = await openFixture();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const options = { services: [pingService()], portBase: address.port, logger: silentLogger };
  await assert.rejects(Supervisor.open({ home: fixture.home, ...options }, never), {
    code: 'GRID_PORT_UNAVAILABLE',
  });
  server.close();
  assert.equal(await loadState(fixture.home), undefined);
});

test('a second supervisor in one home is refused', async () => {
  await using fixture = await openFixture();
  await using _first = await openSupervisor(fixture.home, pingService());
  await assert.rejects(openSupervisor(fixture.home, pingService()), { code: 'GRID_ALREADY_UP' });
});

test('a supervisor ends the services that a dead one left', async () => {
  await using fixture = await openFixture();
  const sleeper = await startSleeper();
  await saveLeftover(fixture.home, sleeper.identity);
  await using _supervisor = await openSupervisor(fixture.home, pingService());
  assert.equal(await isAlive(sleeper.identity), false);
});

test('a supervisor leaves a process alone that merely has the number of a dead one', async () => {
  await using fixture = await openFixture();
  const sleeper = await startSleeper();
  const { identity } = sleeper;
  await saveLeftover(fixture.home, { ...identity, startTicks: identity.startTicks - 1 });
  await using _supervisor = await openSupervisor(fixture.home, pingService());
  assert.equal(await isAlive(identity), true);
  sleeper.end();
});

test('control requests stop a service, start it, and shut the supervisor down', async () => {
  await using fixture = await openFixture();
  const { home } = fixture;
  await using supervisor = await openSupervisor(home, pingService());
  const ask = async (action: 'stop' | 'start' | 'shutdown', services: string[]) =>
    (await askSupervisor(home, { action, services }, 20_000))?.services['ping']?.phase;
  assert.equal(await ask('stop', ['ping']), 'stopped');
  assert.equal(await ask('start', []), 'running');
  await assert.rejects(ask('stop', ['pong']), { code: 'GRID_SERVICE_UNKNOWN' });
  assert.equal(await ask('shutdown', []), 'stopped');
  await supervisor.closed;
  assert.equal(await ask('start', []), undefined);
});

test('a service that ignores SIGTERM is killed after its time', async () => {
  await using fixture = await openFixture();
  const service = pingService({ stopTimeoutMs: 100 }, 'deaf');
  await using supervisor = await openSupervisor(fixture.home, service);
  const { process: identity } = stateOf(supervisor);
  await supervisor.close();
  assert.ok(identity !== null);
  assert.equal(await isAlive(identity), false);
});

test('a signal during the start stops everything', async () => {
  await using fixture = await openFixture();
  const controller = new AbortController();
  const isReady = async (): Promise<boolean> => {
    controller.abort();
    return false;
  };
  const options = { home: fixture.home, services: [pingService({ isReady })], portBase: 0 };
  const opening = Supervisor.open({ ...options, logger: silentLogger }, controller.signal);
  await assert.rejects(opening, { code: 'GRID_SERVICE_FAILED' });
  const log = await readFile(fixture.home.logOf('ping'), 'utf8');
  assert.equal(log, '');
});

test('terminate ends a process', async () => {
  const sleeper = await startSleeper();
  await terminate(sleeper.identity, 5_000);
  assert.equal(await isAlive(sleeper.identity), false);
});

test('a service that may fail holds up neither the start nor those that need it', async () => {
  await using fixture = await openFixture();
  const broken = pingService({
    name: 'broken',
    command: () => ['--no-such-option'],
    mayFail: true,
  });
  const needy = pingService({ ports: ['bcdb'], dependsOn: ['broken'] });
  await using supervisor = await openSupervisor(fixture.home, broken, needy);
  assert.equal(stateOf(supervisor, 'broken').phase, 'failed');
  assert.equal(stateOf(supervisor).phase, 'running');
});

test('a service is furnished at each start, before it is ready', async () => {
  await using fixture = await openFixture();
  let furnished = 0;
  const service = pingService({
    furnish: async () => {
      furnished += 1;
    },
  });
  await using supervisor = await openSupervisor(fixture.home, service);
  assert.equal(furnished, 1);
  for (const action of ['stop', 'start'] as const) {
    await askSupervisor(fixture.home, { action, services: ['ping'] }, 20_000);
  }
  assert.equal(furnished, 2);
  assert.equal(stateOf(supervisor).phase, 'running');
});
