/** What a 3Bot throws. `code` is stable; texts may change. */
export type BotErrorCode =
  | 'BOT_ACTORS_INVALID' // two actors or methods have one name, or a name is not allowed: correct the definition
  | 'BOT_ADDRESS_MISSING' // the record of a bot names no address: let it start, or write to its mailbox
  | 'BOT_AUTH_FAILED' // a token or signature is wrong: see whether it is that of this bot
  | 'BOT_BUSY' // too many calls are under way with a peer: wait for some of them
  | 'BOT_FRAME_INVALID' // a peer sent what is no frame of the protocol: use one version
  | 'BOT_INPUT_INVALID' // the input does not fit the method: /openapi.json says what it takes
  | 'BOT_INTERNAL' // a fault in the code of a method: the log of that bot says more
  | 'BOT_KEY_ENDED' // a key was ended by its bot: speak with one that is valid
  | 'BOT_KEY_UNPROVEN' // a peer showed no key: connect with the certificate of a key of the phonebook
  | 'BOT_KEY_WRONG' // a key is not one of the bot that it should be: compare with the phonebook
  | 'BOT_LINK_LOST' // the link ended before the answer came: what was asked may be done or not
  | 'BOT_LOG_FORKED' // the log contradicts what was signed before: see the evidence; nothing new starts
  | 'BOT_MAILBOX_FULL' // an outbox or a relay has no room: wait until messages are delivered or expire
  | 'BOT_MESSAGE_EXPIRED' // a message came after its end, or ends too late: send it again with another end
  | 'BOT_MESSAGE_INVALID' // a message does not open, or has not the form of one: seal it to the present key
  | 'BOT_MESSAGE_REPLAYED' // the message was taken before: nothing is to be done
  | 'BOT_METHOD_UNKNOWN' // the bot has no such method: /openapi.json lists them
  | 'BOT_NOT_PERMITTED' // the method is for others: ask the owner of the bot for the right
  | 'BOT_OTHER_LOG' // the peer lives by another log: both need the same grid
  | 'BOT_OUTPUT_INVALID' // a method answered what it does not declare: a bug in it
  | 'BOT_RATE_EXCEEDED' // a peer asks too often: go on more slowly
  | 'BOT_RECORD_INVALID' // the phonebook shows a record that its bot did not sign: look at the database
  | 'BOT_RECORD_STALE' // the newest record of a bot cannot be known now: see whether the database answers
  | 'BOT_SEAL_MISSING' // the bot lists no key to seal messages to: let it start once
  | 'BOT_SENDER_UNKNOWN' // the caller is no bot of the phonebook, and the method is for those that are
  | 'BOT_SIGNATURE_WRONG' // a message is not signed by the key that it names
  | 'BOT_TOO_LARGE' // a message, input or answer is above its limit: send less at a time
  | 'BOT_UNKNOWN' // the phonebook has no such bot: see whether the id is right
  | 'BOT_UNREACHABLE'; // no address of the bot answers: try later, or write to its mailbox
