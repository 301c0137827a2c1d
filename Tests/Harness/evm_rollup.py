"""What a rollup of the OP stack charges beside gas, for evm_chain.py: for a transaction's bytes, and
for its operator. Charged to the sender, paid into the stack's vaults, told in receipts, and quoted by
the predeployed GasPriceOracle (specs/protocol/predeploys.md and jovian/exec-engine.md of
ethereum-optimism/specs).

The stack prices the compressed size of a transaction; here a byte is a byte.
"""

from eth.vm.forks.prague.state import PragueState, PragueTransactionExecutor
from eth.vm.spoof import SpoofTransaction
from eth_utils import decode_hex, keccak

ORACLE = decode_hex("0x420000000000000000000000000000000000000f")
DATA_VAULT = decode_hex("0x420000000000000000000000000000000000001a")
OPERATOR_VAULT = decode_hex("0x420000000000000000000000000000000000001b")
GET_DATA_FEE = keccak(text="getL1Fee(bytes)")[:4]
GET_OPERATOR_FEE = keccak(text="getOperatorFee(uint256)")[:4]
# What an unsigned transaction lacks, as the oracle reckons it.
SIGNATURE_BYTES = 68


class RollupFees:
    """The prices, and what mined transactions were charged. Without prices it is no rollup."""

    def __init__(self):
        self.set(0, 0, 0)
        self.is_mute = False  # whether the oracle reverts
        self.charged = {}  # (height, transaction hash) -> the fields of its receipt

    def set(self, byte_price, operator_scalar, operator_constant):
        """Wei for a byte, and the operator's: 100 * scalar a unit of gas, and a constant."""
        self.byte_price = byte_price
        self.operator_scalar = operator_scalar
        self.operator_constant = operator_constant

    @property
    def is_on(self) -> bool:
        return bool(self.byte_price or self.operator_scalar or self.operator_constant)

    def data_fee(self, size: int) -> int:
        return self.byte_price * size

    def operator_fee(self, gas: int) -> int:
        return gas * self.operator_scalar * 100 + self.operator_constant

    def most(self, transaction) -> int:
        """What a transaction may be charged here."""
        size = len(transaction.encode())
        return self.data_fee(size) + self.operator_fee(transaction.gas)

    def charge(self, state, transaction, gas_used: int):
        """Takes the fees of a transaction from its sender."""
        fees = self.data_fee(len(transaction.encode())), self.operator_fee(gas_used)
        for fee, vault in zip(fees, (DATA_VAULT, OPERATOR_VAULT)):
            if fee:
                state.delta_balance(transaction.sender, -fee)
                state.delta_balance(vault, fee)
        fields = {"l1Fee": hex(fees[0]), "daFootprintGasScalar": "0x190"}
        if self.operator_scalar or self.operator_constant:
            fields["operatorFeeScalar"] = hex(self.operator_scalar)
            fields["operatorFeeConstant"] = hex(self.operator_constant)
        self.charged[state.block_number, transaction.hash] = fields

    def answer(self, call: dict):
        """What the oracle says to an eth_call; None if it is not asked."""
        if not self.is_on or decode_hex(call.get("to") or "0x") != ORACLE:
            return None
        content = decode_hex(call.get("input") or call.get("data") or "0x")
        selector, words = content[:4], content[4:]
        fee = 0
        if selector == GET_DATA_FEE:
            size = int.from_bytes(words[32:64], "big")
            fee = self.data_fee(min(size, len(words)) + SIGNATURE_BYTES)
        elif selector == GET_OPERATOR_FEE:
            fee = self.operator_fee(int.from_bytes(words[:32], "big"))
        return fee.to_bytes(32, "big")


def make_state_class(fees: RollupFees) -> type:
    """py-evm's state, with these fees beside gas."""

    class Executor(PragueTransactionExecutor):
        def finalize_computation(self, transaction, computation):
            done = super().finalize_computation(transaction, computation)
            if fees.is_on and not isinstance(transaction, SpoofTransaction):
                used = transaction.gas - computation.get_gas_remaining()
                refund = self.calculate_gas_refund(computation, used)
                gas = used - refund + self.calc_data_floor_gas(transaction, used, refund)
                fees.charge(self.vm_state, transaction, gas)
            return done

    class State(PragueState):
        transaction_executor_class = Executor

    return State
