/** Failures of the Redis protocol package. `code` is stable; texts may change. */
export type RespErrorCode =
  | 'RESP_OPTION_INVALID' // a limit or an address makes no sense: correct the option it names
  | 'RESP_LISTEN_FAILED' // an address cannot be opened: see the cause, choose another address
  | 'RESP_CONNECT_FAILED' // no server answers at the address: start it, or correct the address
  | 'RESP_PEER_UNTRUSTED' // the server shows another certificate than the pinned one: check the pin
  | 'RESP_PROTOCOL_BROKEN' // the other side sent bytes that are not RESP: it is not such a server
  | 'RESP_REPLY_TOO_LARGE' // a reply is above maxReplyBytes: ask for less, or raise the limit
  | 'RESP_REPLY_ERROR' // the server answered with an error: its text is the message
  | 'RESP_QUEUE_FULL' // too many commands or bytes in flight: wait for replies, then retry
  | 'RESP_CONNECTION_LOST' // the connection ended before the reply: the command may have been done
  | 'RESP_ABORTED' // the caller's signal fired before the reply: the command may have been done
  | 'RESP_CLOSED'; // the client or server is closed: open a new one

/** Why a peer's bytes are no request. The text is what the peer is told before it is cut off. */
export type ProtocolError =
  | 'Malformed request, array expected'
  | 'Missing arguments'
  | 'Too many arguments'
  | 'Malformed query string'
  | 'Payload too big';
