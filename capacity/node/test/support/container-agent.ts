import { ContainerRuntime } from '../../src/container/container-runtime.ts';
import type { ContainerRuntimeOptions } from '../../src/container/container-runtime.ts';
import type { ContainerSpec } from '../../src/container/container-spec.ts';

/** What a process that is to be killed does: it makes and starts a container; `last` comes last. */
export interface AgentTask {
  readonly options: ContainerRuntimeOptions;
  readonly spec: ContainerSpec;
  readonly last: 'exec' | 'delete' | 'nothing';
}

const task: AgentTask = JSON.parse(process.argv[2] ?? '{}');
const { options, spec } = task;
const runtime = await ContainerRuntime.open(options);
process.stdout.write('opened\n');
await runtime.create(spec);
await runtime.start(spec.id);
process.stdout.write('started\n');
if (task.last === 'delete') await runtime.delete(spec.id);
if (task.last === 'exec') {
  const { env, cwd, user, isElevated } = spec;
  const command = ['sleep', '54321'];
  const sleeper = await runtime.exec(spec.id, { command, env, cwd, user, isElevated });
  sleeper.stdout.resume();
  sleeper.stderr.resume();
  await sleeper.exited;
}
// It is killed in the end, too.
await new Promise(() => setInterval(() => {}, 60_000));
