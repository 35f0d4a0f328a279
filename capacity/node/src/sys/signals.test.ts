import assert from 'node:assert/strict';
import { test } from 'node:test';

import { signalNumber } from './signals.ts';

test('a signal has its number when Node knows it, when it is a real-time one, and else none', () => {
  const numbers = {
    ...{ SIGTERM: 15, SIGKILL: 9, SIGRTMIN: 34, 'SIGRTMIN+3': 37, SIGRTMAX: 64 },
    ...{ 'SIGRTMAX-1': 63, 'SIGRTMIN+30': 64 },
  };
  for (const [name, number] of Object.entries(numbers)) assert.equal(signalNumber(name), number);
  const none = ['SIGFOO', 'SIGRTMIN+31', 'SIGRTMIN-1', 'SIGRTMAX+1', 'SIGRTMIN+', 'SIG+-', '15'];
  for (const name of none) assert.equal(signalNumber(name), undefined, name);
});
