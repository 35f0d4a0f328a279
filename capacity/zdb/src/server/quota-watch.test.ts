import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@commongrid/base';
import { Namespace, newNamespaceSettings } from '../engine/namespace.ts';
import type { ZdbEvent } from '../events.ts';
import { EventBus } from './event-bus.ts';
import { QuotaWatch } from './quota-watch.ts';

test('quota watch tells each level once, and again after the namespace has shrunk', () => {
  const events: ZdbEvent[] = [];
  const watch = new QuotaWatch(new EventBus(silentLogger, [(event) => events.push(event)]));
  const settings = { ...newNamespaceSettings(2, 'ns', 'user', 0), maxBytes: 1000 };
  const namespace = new Namespace(settings);
  const at = (usedBytes: number, isRefused = false): (number | string)[] => {
    namespace.usedBytes = usedBytes;
    watch.written(namespace, isRefused);
    return events.splice(0).map((event) => (event.kind === 'quota' ? event.percent : event.kind));
  };
  assert.deepEqual(at(799), []);
  assert.deepEqual(at(800), [80]);
  assert.deepEqual(at(850), []);
  assert.deepEqual(at(960), [90]);
  assert.deepEqual(at(960, true), [100]);
  assert.deepEqual(at(970, true), []);
  assert.deepEqual(at(100), []);
  assert.deepEqual(at(1000), [100]);
});
