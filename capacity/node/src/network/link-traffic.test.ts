import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { trafficIn } from './link-traffic.ts';

test('traffic is read for links of the node alone, from the side of the container', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 33333 10 0 0 0 0 0 0 33333 10 0 0 0 0 0 0
abc0123456789ab: 111 2 0 0 0 0 0 0 222 3 0 0 0 0 0 0
xyz0123456789ab: 555 2 0 0 0 0 0 0 666 3 0 0 0 0 0 0
`;
  const found = trafficIn(text, 'abc');
  deepEqual([...found], [['0123456789ab', { receivedBytes: 222, sentBytes: 111 }]]);
});
