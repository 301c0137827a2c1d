"""A Solana chain in memory: LiteSVM executes, this keeps slots, commitments, expiry and forks."""

from dataclasses import dataclass, field

from solders.account import Account
from solders.hash import Hash
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import TransactionMetadata
from svm_trace import inner_json, loaded_addresses, token_balances

# A blockhash can be used for so many blocks, and the chain forgets it later.
VALID_BLOCKS = 150
KEPT_BLOCKS = 600
# Of so many slots the chain knows the hashes: what lookup tables are made and closed by.
SLOT_HASHES = 512
LEVELS = {"processed": 0, "confirmed": 1, "finalized": 2}
LAMPORTS = 10**9


@dataclass
class Landed:
    """What became of a transaction."""

    slot: int
    transaction: VersionedTransaction | None
    error: object
    logs: list[str]
    units: int
    # What the payer held before and afterwards.
    lamports: tuple[int, int] = (0, 0)
    # The accounts that it names, those of lookup tables included.
    keys: list[Pubkey] = field(default_factory=list)
    # What a node tells of it beside its bytes.
    meta: dict = field(default_factory=dict)


@dataclass
class Done:
    """Something that changed the chain, to be undone when its slot is left for a fork."""

    slot: int
    # Does it again; nothing but a transaction can fail to come about on a fork.
    redo: object
    # The accounts that it may have changed, as they were before; `None` for those that were not.
    before: list[tuple[Pubkey, Account | None]]
    transaction: VersionedTransaction | None = None


@dataclass
class Block:
    slot: int
    height: int
    blockhash: Hash


@dataclass
class Chain:
    """Slots pass with `tick`. After `confirm` of them a slot is confirmed, after `final` finalized."""

    confirm: int = 1
    final: int = 31
    blocks: list[Block] = field(default_factory=list)
    landed: dict[str, Landed] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)
    # Of earlier slots nothing is told any more, as by a node that keeps little.
    first_kept: int = 0
    # Nor of these, as by a node that was down meanwhile and has what was before.
    hole: range = range(0)
    # The hashes of all blocks, by slot.
    hashes: dict[int, Hash] = field(default_factory=dict)
    # The newest finalized slot, while finality stands still.
    stalled_at: int | None = None

    def __post_init__(self):
        self.svm = self._genesis()
        self.slot = self.svm.get_clock().slot
        self.height = 0
        self.tick()

    @staticmethod
    def _genesis() -> LiteSVM:
        # Expiry is checked here, over a window of hashes; so is what landed before.
        return LiteSVM().with_blockhash_check(False).with_transaction_history(0)

    # ---- time

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.slot += 1
            self.height += 1
            self.svm.warp_to_slot(self.slot)
            self.svm.expire_blockhash()
            self.hashes[self.slot] = self.svm.latest_blockhash()
            self.blocks.append(Block(self.slot, self.height, self.hashes[self.slot]))
        del self.blocks[:-KEPT_BLOCKS]
        self._know_slots(self.slot)

    def _know_slots(self, slot: int) -> None:
        """Tells the programs the hashes of the slots before one, the newest first."""
        known = [(b.slot, b.blockhash) for b in self.blocks if b.slot < slot][-SLOT_HASHES:]
        self.svm.set_slot_hashes(known[::-1])

    def level(self, slot: int) -> int:
        """0 processed, 1 confirmed, 2 finalized."""
        if slot <= self.slot - self.behind("finalized"):
            return 2
        return 1 if slot <= self.slot - self.confirm else 0

    def tells_of(self, slot: int) -> bool:
        """Whether what was in a slot is told."""
        return slot >= self.first_kept and slot not in self.hole

    def told_slots(self, first: int, last: int, commitment: str | None) -> list[int]:
        """The slots of a range whose blocks are told. None is skipped on this chain."""
        last = min(last, self.newest(commitment).slot)
        return [s for s in range(first, last + 1) if s in self.hashes and self.tells_of(s)]

    def behind(self, commitment: str | None) -> int:
        """How many slots the newest of this commitment lies behind."""
        final = self.final if self.stalled_at is None else self.slot - self.stalled_at
        return (0, self.confirm, final)[LEVELS[commitment or "finalized"]]

    def stall_finality(self, stalls: bool) -> None:
        """Whether the newest finalized slot stays what it is now, however many pass."""
        self.stalled_at = self.slot - self.behind("finalized") if stalls else None

    def newest(self, commitment: str | None) -> Block:
        """The newest block of a commitment, or the oldest there is."""
        return self.blocks[max(len(self.blocks) - 1 - self.behind(commitment), 0)]

    def is_recent(self, blockhash: Hash) -> bool:
        first = self.height - VALID_BLOCKS
        return any(b.blockhash == blockhash and b.height >= first for b in self.blocks)

    # ---- what changes the chain

    def _do(self, redo, *changed: Pubkey) -> object:
        """Does something that is done again on every fork, and changes these accounts."""
        before = self._accounts(changed)
        result = redo(self.svm)
        self.done.append(Done(self.slot, redo, before))
        return result

    def _accounts(self, keys) -> list[tuple[Pubkey, Account | None]]:
        return [(key, self.svm.get_account(key)) for key in keys]

    def airdrop(self, address: Pubkey, lamports: int) -> str:
        result = self._do(lambda svm: svm.airdrop(address, lamports), address)
        name = str(result.signature())
        self.landed[name] = Landed(self.slot, None, None, result.logs(), 0)
        return name

    def set_account(self, address: Pubkey, account: Account) -> None:
        self._do(lambda svm: svm.set_account(address, account), address)

    def add_program(self, address: Pubkey, program: bytes) -> None:
        self._do(lambda svm: svm.add_program(address, program))

    def set_time(self, seconds: int) -> None:
        """What programs take for the time, in seconds since 1970. It stands still otherwise."""
        def put(svm):
            clock = svm.get_clock()
            clock.unix_timestamp = seconds
            svm.set_clock(clock)

        self._do(put)

    def land(self, transaction: VersionedTransaction) -> Landed | None:
        """Executes a transaction in this slot; None if it may not be in a block at all."""
        payer = transaction.message.account_keys[0]
        held = self.svm.get_balance(payer) or 0
        written, read = loaded_addresses(self.svm, transaction.message)
        keys = list(transaction.message.account_keys) + written + read
        accounts = self._accounts(dict.fromkeys(keys))  # each once
        before = token_balances(self.svm, keys)
        result = self.svm.send_transaction(transaction)
        succeeded = isinstance(result, TransactionMetadata)
        meta = result if succeeded else result.meta()
        error = None if succeeded else result.err()
        if not succeeded and not is_in_block(error):
            return None
        found = Landed(self.slot, transaction, error, meta.logs(), meta.compute_units_consumed())
        found.lamports = (held, self.svm.get_balance(payer) or 0)
        found.keys = keys
        found.meta = {
            "preTokenBalances": before,
            "postTokenBalances": token_balances(self.svm, keys),
            "innerInstructions": inner_json(meta.inner_instructions()),
            "loadedAddresses": {
                "writable": [str(key) for key in written],
                "readonly": [str(key) for key in read],
            },
        }
        self.landed[str(transaction.signatures[0])] = found
        changed = [(key, one) for key, one in accounts if self.svm.get_account(key) != one]
        self.done.append(Done(self.slot, None, changed, transaction))
        return found

    def roll_back(self, slots: int, keep: bool) -> int:
        """Leaves the last `slots` slots, this one included, for a fork of as many others.

        With `keep` their transactions land on the fork too if they still may, else they are gone
        as if nobody had seen them. Blockhashes of the slots that were left are unknown then.
        Returns how many transactions were left behind.
        """
        first = self.slot - slots + 1
        left = [one for one in self.done if one.slot >= first]
        self.done = [one for one in self.done if one.slot < first]
        for one in reversed(left):
            for address, account in one.before:
                self.svm.set_account(address, account or Account(0, b"", Pubkey.default()))
        for name in [n for n, found in self.landed.items() if found.slot >= first]:
            del self.landed[name]
        self.blocks = [block for block in self.blocks if block.slot < first]
        self.slot, self.height = first - 1, self.height - slots
        # The hashes go on from those that were left: they are others.
        self.tick(slots)
        lost = 0
        for one in left:
            if one.transaction is None:
                self._do(one.redo, *(address for address, _ in one.before))
            elif not (keep and self.may_land(one.transaction) and self.land(one.transaction)):
                lost += 1
        return lost

    def history(self, address: Pubkey) -> list[tuple[str, Landed]]:
        """The transactions that name an account, newest first."""
        found = [(name, one) for name, one in self.landed.items() if address in one.keys]
        return [pair for pair in reversed(found) if self.tells_of(pair[1].slot)]

    # ---- what a transaction needs

    def may_land(self, transaction: VersionedTransaction) -> bool:
        """Whether its blockhash is recent, or is a durable nonce that its first instruction uses."""
        message = transaction.message
        if self.is_recent(message.recent_blockhash):
            return True
        first = message.instructions[0] if message.instructions else None
        if first is None or bytes(first.data)[:4] != b"\4\0\0\0":
            return False
        keys = message.account_keys
        if keys[first.program_id_index] != Pubkey.default():
            return False
        account = self.svm.get_account(keys[first.accounts[0]])
        nonce = bytes(message.recent_blockhash)
        return account is not None and bytes(account.data)[40:72] == nonce

    def simulate(self, transaction: VersionedTransaction, verify: bool = True):
        """What it would do now: its metadata and its error."""
        if not verify:
            self.svm = self.svm.with_sigverify(False)
        try:
            result = self.svm.simulate_transaction(transaction)
        finally:
            if not verify:
                self.svm = self.svm.with_sigverify(True)
        failed = "Failed" in type(result).__name__
        return result.meta(), result.err() if failed else None


def is_in_block(error) -> bool:
    """Whether a transaction with this error is in a block all the same and pays its fee."""
    return type(error).__name__ == "TransactionErrorInstructionError"
