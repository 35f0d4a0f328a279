/** What the door says of itself in INFO and HELLO. */
export const serverName = 'bcdb';
export const serverVersion = '0.1.0';
/** The Redis release whose protocol and introspection commands are spoken. */
export const redisVersion = '7.2.0';
