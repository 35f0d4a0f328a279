/** What a 3Bot throws. `code` is stable; texts may change. */
export type BotErrorCode =
  | 'BOT_ACTORS_INVALID' // two actors or methods have one name, or a name is not allowed: correct the definition
  | 'BOT_ADDRESS_INVALID' // an address of an object has not the form grid://BOT/PATH: see docs/formats/grid-address.md
  | 'BOT_ADDRESS_MISSING' // the record of a bot names no address: let it start, or write to its mailbox
  | 'BOT_AUTH_FAILED' // a token or signature is wrong: see whether it is that of this bot
  | 'BOT_BACKUP_AHEAD' // a backup saw more of the log than the database has: wait for it, or name another database
  | 'BOT_BACKUP_FORKED' // a backup is from another branch of the log: find out which branch others see
  | 'BOT_BACKUP_INVALID' // a file is no backup of the bot, or was changed: take another copy
  | 'BOT_BACKUP_MISSING' // the backup that the log names is nowhere to be had: name a copy of it
  | 'BOT_BACKUP_STALE' // a backup is not the one that the log names: find the newest, or accept the loss
  | 'BOT_BACKUP_UNPLACED' // nobody said where backups of the bot go, or no place takes them: grid bot backup --to
  | 'BOT_BUSY' // too many calls are under way with a peer: wait for some of them
  | 'BOT_DATA_UNSET' // the bot has no namespace for records yet: grid data init
  | 'BOT_FILES_FAILED' // the S3 with the files of a bot did not do what it was asked: see whether it runs, and its key
  | 'BOT_FILES_UNSET' // the bot has no bucket for files yet: grid data init with a key of an S3
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
  | 'BOT_OBJECT_UNKNOWN' // the bot has no such record, file or collection: grid data ls shows what there is
  | 'BOT_OTHER_LOG' // the peer lives by another log: both need the same grid
  | 'BOT_OUTPUT_INVALID' // a method answered what it does not declare: a bug in it
  | 'BOT_RATE_EXCEEDED' // a peer asks too often: go on more slowly
  | 'BOT_RECORD_INVALID' // the phonebook shows a record that its bot did not sign: look at the database
  | 'BOT_RECORD_STALE' // the newest record of a bot cannot be known now: see whether the database answers
  | 'BOT_SEAL_MISSING' // the bot lists no key to seal messages to: let it start once
  | 'BOT_SENDER_UNKNOWN' // the caller is no bot of the phonebook, and the method is for those that are
  | 'BOT_SIGNATURE_WRONG' // a message is not signed by the key that it names
  | 'BOT_TOO_LARGE' // a message, input or answer is above its limit: send less at a time
  | 'BOT_TYPE_UNKNOWN' // a collection needs a type that is defined: give its JSON Schema
  | 'BOT_UNKNOWN' // the phonebook has no such bot: see whether the id is right
  | 'BOT_UNREACHABLE' // no address of the bot answers: try later, or write to its mailbox
  | 'MARKET_BUYER_REFUSED' // the farmer sells nothing to this bot: ask another farmer
  | 'MARKET_CLOSED' // the farmer sells nothing now: ask another farmer, or later
  | 'MARKET_CONTRACT_UNKNOWN' // the buyer owns no such contract in the log: append its header first
  | 'MARKET_COUNTERS_OVER' // no counter makes the quote cheaper: take it, or ask another farmer
  | 'MARKET_CURRENCY_REFUSED' // the farmer does not take this currency: see which in the details
  | 'MARKET_FARMER_AWAY' // the bot of the farmer does not answer in time: ask later, or another farmer
  | 'MARKET_FULL' // the farmer has not that much free: ask for less, for another node, or another farmer
  | 'MARKET_LIMIT' // more than the farmer gives one buyer: ask for less, or another farmer
  | 'MARKET_LOCK_MISMATCH' // the lock in the log is not what was agreed: pay nothing, ask another farmer
  | 'MARKET_LOCK_REFUSED' // the log refused the lock: `details.rule` says why
  | 'MARKET_LOCK_UNSEEN' // the farmer says that there is a lock, and the log has none: pay nothing
  | 'MARKET_NODE_REFUSED' // the node is not of the farmer, not in service, or not for sale: take another
  | 'MARKET_PRICE_DECLINED' // the wished price is too low for an answer: the quote stays as it is
  | 'MARKET_QUOTE_CHANGED' // a counter has changed the quote since: read the newest one
  | 'MARKET_QUOTE_EXPIRED' // the time of the quote is over: ask for a new one
  | 'MARKET_QUOTE_MISMATCH' // the quote is not about what was asked, or dearer than before: ask another farmer
  | 'MARKET_QUOTE_UNKNOWN' // the farmer gave this bot no such quote: ask for one of your own
  | 'MARKET_QUOTES_TOO_MANY' // too many quotes wait for an answer: take some, or let them lapse
  | 'MARKET_RULES_INVALID' // `farmer.json` does not fit: correct it; the rules before it hold
  | 'MARKET_TERM_REFUSED' // the term has ended, or is longer than the farmer sells: ask for another
  | 'MARKET_TOO_DEAR' // the best price of the farmer is above the cap: raise the budget, or ask another
  | 'MARKET_UNPRICED'; // the farmer has no price for some of these resources: ask for others

/** What a 3Bot tells its owner by itself. What its controller waits for keeps the code of that. */
export type NoticeCode =
  | 'NOTICE_FORFEIT' // a place was unpaid for so long that its farmer may delete the data: copy them, if they are still there
  | 'NOTICE_MOVED' // replicas were placed on other nodes: nothing is to be done
  | 'NOTICE_PAID_SHORTLY' // the money for a place ends soon, and nothing was added in time: see its balance and what its controller waits for
  | 'NOTICE_PAUSED' // a place stands still since it is not paid for; its data are kept for a while: pay, or agree on another contract
  | 'NOTICE_TENANT_GONE' // nobody paid for data on your nodes for so long that you may give them up: grid contract discard
  | 'NOTICE_TERM_ENDS' // the term of a contract ends soon, or is over: agree on one that replaces it
  | 'NOTICE_UNPAID' // a place is not paid for, and runs on for the grace of its contract: pay, or it stands still
  | 'NOTICE_WORD_AWAITED'; // your word on a contract is waited for: sign it, or say no
