"""The pool on Solana of a chaos run: opened before it, claimed from at its end, and reckoned anew
from what the house says it owes, with a client of the payout program that is not the house's."""

import base64
import hashlib

from base58 import b58decode
from payout_program import ASSOCIATED, ELF, SYSTEM, Pool, read_pool, read_record, token_account
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction

# Slots in which a root may be dropped.
DELAY = 60
# Reckoned so, two payees are enough for a root.
CHEAP = [word for name in ("commit", "activate", "claim", "record")
         for word in ("--solana-lamports", f"{name}=1")]


class ChaosPool:
    """The pool: the payer of the run is its settler, the second account opens it and bears fees."""

    def __init__(self, solana):
        self.solana = solana
        settler, self.bearer = solana.signers
        program = Keypair.from_seed(hashlib.sha256(b"payout program").digest()).pubkey()
        solana.call("test_addProgram", str(program), base64.b64encode(ELF.read_bytes()).decode())
        self.pool = Pool(
            program, self.bearer.pubkey(), Pubkey.from_string(solana.mint),
            b58decode(solana.call("getGenesisHash")), Pubkey.from_string(solana.program))
        self.send([self.make_account(self.pool.address),
                   self.pool.open(settler.pubkey(), self.bearer.pubkey(), DELAY)])
        solana.call("test_tick", 80)

    def options(self, is_cheap):
        return ["--solana-pool", str(self.pool.address), *(CHEAP if is_cheap else [])]

    # ---- the cluster

    def make_account(self, owner):
        """Makes the owner's token account, if it is not there."""
        account = token_account(owner, self.pool.mint, self.pool.token)
        keys = [(self.bearer.pubkey(), "sw"), (account, "w"), (owner, ""), (self.pool.mint, ""),
                (SYSTEM, ""), (self.pool.token, "")]
        return Instruction(ASSOCIATED, b"\1", [
            AccountMeta(key, "s" in rights, "w" in rights) for key, rights in keys])

    def send(self, instructions, *signers):
        blockhash = self.solana.call("getLatestBlockhash", {"commitment": "finalized"})["value"]
        message = Message.new_with_blockhash(
            instructions, self.bearer.pubkey(), Hash.from_string(blockhash["blockhash"]))
        raw = bytes(Transaction([self.bearer, *signers], message, message.recent_blockhash))
        self.solana.call("sendTransaction", base64.b64encode(raw).decode(),
                         {"encoding": "base64", "skipPreflight": True})

    def content(self, address):
        """An account's bytes in a final block; None if there is none."""
        found = self.solana.call("getAccountInfo", str(address), {
            "encoding": "base64", "commitment": "finalized"})["value"]
        return found and base64.b64decode(found["data"][0])

    def state(self):
        return read_pool(self.content(self.pool.address))

    # ---- payees

    def claim(self, due, owners):
        """Takes a step towards what an owner has coming; whether there is nothing left. Where its
        own account is frozen, it signs for another one."""
        owner = next(one for one in owners if str(one.pubkey()) == due["owner"])
        record = self.content(self.pool.record(owner.pubkey()))
        own = token_account(owner.pubkey(), self.pool.mint, self.pool.token)
        held = self.content(own)
        if record is None or held is None:
            missing = [self.make_account(owner.pubkey())]
            if record is None:
                missing.append(self.pool.enrol(self.bearer.pubkey(), owner.pubkey()))
            self.send(missing)
            return False
        if read_record(record)["cumulative"] == int(due["cumulative"]):
            return due["waiting"] == "0.00"
        proof = [bytes.fromhex(one) for one in due["proof"]]
        is_frozen = held[108] == 2
        if not is_frozen:
            self.send([self.pool.claim(owner.pubkey(), int(due["cumulative"]), proof)])
            return False
        other = next(one for one in owners if one is not owner).pubkey()
        target = token_account(other, self.pool.mint, self.pool.token)
        self.send([self.make_account(other), self.pool.claim(
            owner.pubkey(), int(due["cumulative"]), proof, target, signs=True)], owner)
        return False

    def claim_all(self, house, party):
        """Has a party paid out of the pool, a step at a time; whether nothing is left there."""
        _, found = house.sure("GET", f"/v1/claimable/{party.address}")
        dues = (found.get("solana") or {}).get("pool") or []
        return all([self.claim(due, party.owners) for due in dues])

    # ---- the end

    def audit(self, roots):
        """The root that pays is of all that the house says it ever owed, under the books that the
        house names, and all of it was claimed."""
        state = self.state()
        owed = {}
        for one in roots:
            assert one["root"]["stage"] == "active", one
            for payment in one["payments"]:
                owner = Pubkey.from_string(payment["receiver"])
                owed[owner] = owed.get(owner, 0) + int(payment["units"])
        if not roots:
            assert state["epoch"] == 0
            return "no roots"
        books = roots[-1]["books"]
        assert state["active_root"] == self.pool.tree(owed).root, "the root that pays"
        assert state["active_total"] == state["claimed_total"] == sum(owed.values()), state
        assert state["active_epoch"] == state["epoch"] == roots[-1]["root"]["epoch"], state
        assert state["active_journal"].hex() == books["journal_head"]
        assert state["active_liabilities"].hex() == books["liabilities_root"]
        assert (self.solana.tokens(str(self.pool.address)) or 0) == 0, "the vault"
        return f"{len(roots)} roots of {len(owed)} owners, {sum(owed.values())} units claimed"
